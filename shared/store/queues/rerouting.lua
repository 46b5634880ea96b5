-- Functions that move the waiting renders of a job to another lane.

-- needs: keys, aside, lanes, shares, sizes, stages

-- The fields that a move reads, each with its check.
local MOVED_RENDER = { 'job', is_text, 'state', is_text, 'started_ms', optional(is_text), 'group', optional(is_text) }

-- Moves the waiting renders of a job to another lane. `known` has the fields lane, rank, n, ar_cost and dit_cost of the
-- job, and its `lane` changes. The caller writes the lane to the job. Renders with broken records stay for the next
-- claim. Returns the number of moved renders.
local function move_to_lane(job, known, lane)
  local before, num = { lane = known.lane, ar_cost = known.ar_cost, dit_cost = known.dit_cost }, 0
  known.lane = lane
  for index = 0, tonumber(known.n) - 1 do
    local render = job .. ':' .. string.format('%04d', index)
    local found = read_record(P .. 'render:' .. render, MOVED_RENDER)
    local stage = found and WAITS[found.state]
    if stage and dequeue(render, stage, before, found.started_ms) then
      enqueue(render, stage, known, found.started_ms, found.group)
      num = num + 1
    end
  end
  return num
end

-- Moves the waiting renders of a job that AR has not begun to the lane of the revision `target`. `known` has the fields
-- of `move_to_lane`, and revision. Returns the number of moved renders.
local function reroute_job(job, known, target)
  local before = known.lane
  local lane = string.match(before, '^[^|]*|[^|]*|') .. target .. suffix_of(size_of(before))
  redis.call('HSET', P .. 'job:' .. job, 'lane', lane)
  if known.revision ~= '' then redis.call('HSET', P .. 'job:' .. job, 'revision', target) end
  local num = move_to_lane(job, known, lane)
  if redis.call('EXISTS', P .. 'waiting:ar:' .. before) == 0 then leave_pool(pool_of('ar', before)) end
  return num
end
