-- Functions for the time limits of renders: set a limit, check it, and expire renders.
-- A job has three limits, each '' for none:
--   - start_timeout_ms: from the job's acceptance to the first lease of a render.
--   - execution_timeout_ms: from the first lease of a render to its end.
--   - deadline_ms: a point in time, for all renders.
-- For each render only the limit that ends first is stored. So one sorted set shows which renders have expired.

-- needs: keys, due, move, stages

-- Returns the time at which a render expires whose `timeout` begins now, or nil if neither limit is set.
local function end_of_limits(timeout_ms, deadline_ms, now)
  local ends = timeout_ms ~= '' and now + tonumber(timeout_ms) or math.huge
  if deadline_ms ~= '' then ends = math.min(ends, tonumber(deadline_ms)) end
  return ends < math.huge and ends or nil
end

-- Stores the time at which a render expires, or that it does not.
local function set_deadline(render, timeout_ms, deadline_ms, now)
  local ends = end_of_limits(timeout_ms, deadline_ms, now)
  if not ends then return redis.call('ZREM', P .. 'deadlines', render) end
  redis.call('ZADD', P .. 'deadlines', ends, render)
end

-- Returns whether any render has reached its time limit.
local function is_any_due(now)
  return redis.call('ZCOUNT', P .. 'deadlines', '-inf', now) > 0
end

local LATE = {
  deadline = 'the picture was not finished by its deadline',
  start_timeout = 'the picture was not started within its start_timeout_s',
  execution_timeout = 'the picture was not finished within its execution_timeout_s',
}

-- Ends a render as expired, with an error that names the time limit.
local function expire(render, now)
  local known = redis.call('HMGET', P .. 'render:' .. render, 'state', 'job', 'started_ms')
  local deadline = redis.call('HGET', P .. 'job:' .. known[2], 'deadline_ms')
  local code = known[3] and 'execution_timeout' or 'start_timeout'
  if deadline ~= '' and tonumber(deadline) <= now then code = 'deadline' end
  local stage = known[3] and (WAITS[known[1]] or RUNS[known[1]]) or cjson.null
  local error = { code = code, message = LATE[code], stage = stage, retryable = false }
  redis.call('HSET', P .. 'render:' .. render, 'error', cjson.encode(error))
  move(render, known[1], 'expired', now)
end

-- Expires at most `most` renders that have reached their time limit. Returns their number.
local function expire_due(now, most)
  return each_due(P .. 'deadlines', now, most, function(render) expire(render, now) end)
end
