-- A function that moves the waiting renders of a job that AR has not begun to another model revision.

-- needs: keys, aside, lanes, shares, sizes

-- The fields that a move reads, each with its check.
local MOVED_RENDER = { 'job', is_text, 'group', optional(is_text) }

-- Moves the waiting renders of a job to the lane of the revision `target`. `known` has the fields lane, rank, n, revision,
-- ar_cost and dit_cost of the job. Returns the number of moved renders.
local function reroute_job(job, known, target)
  local key, num = P .. 'job:' .. job, 0
  local lane = string.match(known.lane, '^[^|]*|[^|]*|') .. target .. suffix_of(size_of(known.lane))
  local moved = { lane = lane, rank = known.rank, ar_cost = known.ar_cost, dit_cost = known.dit_cost }
  redis.call('HSET', key, 'lane', lane)
  if known.revision ~= '' then redis.call('HSET', key, 'revision', target) end
  for index = 0, tonumber(known.n) - 1 do
    local render = job .. ':' .. string.format('%04d', index)
    local found = read_record(P .. 'render:' .. render, MOVED_RENDER)
    if found and dequeue(render, 'ar', known, true) then
      enqueue(render, 'ar', moved, true, found.group)
      num = num + 1
    end
  end
  if redis.call('EXISTS', P .. 'waiting:ar:' .. known.lane) == 0 then leave_pool(pool_of('ar', known.lane)) end
  return num
end
