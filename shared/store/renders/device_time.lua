-- Gives the time of a DiT worker's device to the renders that the worker holds: one that it computes, perhaps one that is
-- prepared ahead, and those that a higher class has pre-empted. The device works for one at a time: the best class first, in
-- it the oldest claim. So all time between two claims or ends of a worker goes to one render. That is also true of the steps
-- that a pre-empted class keeps as its floor, and of steps that renders share: sums over a worker stay right, and the one
-- that comes first is given a little too much. What a worker does beside it (inputs of the next, upload of the last) is hidden
-- behind it, or part of it where nothing else runs. A render's `device_ms` is the sum since its claim. A hand-over keeps the
-- sum.
-- needs: classes, keys

local RUNNING_MS = { ar = 'prior_running_ms', dit = 'decode_running_ms' }

-- Returns the renders that a worker holds in the order in which its device takes them: render, job, rank, since (ms).
local function device_order(stage, worker)
  local found = {}
  for _, render in ipairs(redis.call('SMEMBERS', P .. 'held:' .. worker)) do
    local known = redis.call('HMGET', P .. 'render:' .. render, 'job', RUNNING_MS[stage])
    local lane = known[1] and redis.call('HGET', P .. 'job:' .. known[1], 'lane')
    local rank = lane and CLASS[string.match(lane, '^[^|]*')]
    if rank and known[2] then
      table.insert(found, { render = render, job = known[1], rank = rank, since = tonumber(known[2]) })
    end
  end
  table.sort(found, function(one, other)
    if one.rank ~= other.rank then return one.rank < other.rank end
    if one.since ~= other.since then return one.since < other.since end
    return one.render < other.render
  end)
  return found
end

-- To be called before a worker's renders change. Broken records cost nobody but their own render.
local function give_device_time(stage, worker, now)
  if stage ~= 'dit' or not worker then return end
  local since = redis.call('HGET', P .. 'device_ms', worker)
  redis.call('HSET', P .. 'device_ms', worker, now)
  local is_sound, held = pcall(device_order, stage, worker)
  if not since or not is_sound or not held[1] then return end
  redis.call('HINCRBY', P .. 'render:' .. held[1].render, 'device_ms', math.max(0, now - tonumber(since)))
end
