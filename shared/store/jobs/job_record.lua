-- A function that reads the record of a job for a script that leases work on the job, so that its worker needs no second
-- call.

-- needs: keys, aside

-- Returns the fields of the job and then those of each of its renders, each as a list of names and values in turn.
-- Returns '' if the record can't be read, so that the worker's own attempt says why.
local function job_record(job)
  local n = redis.pcall('HGET', P .. 'job:' .. job, 'n')
  if not is_render_count(n) then return '' end
  local found = { redis.pcall('HGETALL', P .. 'job:' .. job) }
  for index = 0, tonumber(n) - 1 do
    found[index + 2] = redis.pcall('HGETALL', P .. 'render:' .. job .. ':' .. string.format('%04d', index))
  end
  for _, fields in ipairs(found) do
    if fields.err or #fields == 0 then return '' end
  end
  return found
end
