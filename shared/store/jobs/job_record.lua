-- A function that reads the record of a job for a script that leases work on the job, so that its worker needs no second
-- call.

-- needs: keys, aside

-- Returns the value of a field in a list of names and values in turn, or nil.
local function value_in(fields, name)
  for i = 1, #fields, 2 do
    if fields[i] == name then return fields[i + 1] end
  end
end

-- Returns the fields of the job and then those of each of its renders, each as a list of names and values in turn.
-- Returns '' if the record can't be read, so that the worker's own attempt says why.
local function job_record(job)
  local found = { redis.pcall('HGETALL', P .. 'job:' .. job) }
  local n = not found[1].err and value_in(found[1], 'n')
  if not is_render_count(n) then return '' end
  for index = 0, tonumber(n) - 1 do
    local fields = redis.pcall('HGETALL', P .. 'render:' .. job .. ':' .. string.format('%04d', index))
    if fields.err or #fields == 0 then return '' end
    found[index + 2] = fields
  end
  return found
end
