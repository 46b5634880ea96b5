-- Functions that attribute the device time of a DiT worker to the renders that the worker holds. A worker may hold
-- three kinds of renders: one that it computes, one that it prepares ahead, and renders that a higher class has
-- pre-empted.
-- The functions assume that the device computes one render at a time: the highest class first, and within a class the
-- oldest claim. So each period between two claims or ends counts for one render only.
-- This is slightly wrong in two cases: a pre-empted class gets some steps as its floor (its least share), and several
-- renders may share a step. In these cases the first render gets slightly too much, but the sum over all renders of the
-- worker is right.
-- Other work of the worker runs beside the device's work, for example the preparation of inputs or the upload of a
-- picture. If other work runs alone, it counts as device time.
-- A render's `device_ms` is the sum since its claim. After a handover the sum continues.

-- needs: classes, keys

local RUNNING_MS = { ar = 'prior_running_ms', dit = 'decode_running_ms' }

-- Returns the renders of a worker in the order in which its device takes them: render, job, rank,
-- since (ms).
local function device_order(stage, held)
  local found = {}
  for _, render in ipairs(held) do
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

local has_given = {} -- workers whose time is attributed in this script, in which no time passes

-- Attributes the time since the last call to the first render. Call it before a worker's renders change. A broken
-- record affects only its own render. `own` is a render whose record the script has read. Most often it is the only
-- one that the worker holds, and then no order is needed.
-- Returns the render that got the time, and its new sum, or nothing if no render got any.
local function give_device_time(stage, worker, now, own)
  if stage ~= 'dit' or not worker or has_given[worker] then return end
  has_given[worker] = true
  local since = redis.call('HGET', P .. 'device_ms', worker)
  redis.call('HSET', P .. 'device_ms', worker, now)
  local held = since and redis.call('SMEMBERS', P .. 'held:' .. worker) or {}
  local first = held[1]
  if held[2] or first ~= own then
    local is_readable, order = pcall(device_order, stage, held)
    first = is_readable and order[1] and order[1].render
  end
  if not first then return end
  return first, redis.call('HINCRBY', P .. 'render:' .. first, 'device_ms', math.max(0, now - tonumber(since)))
end
