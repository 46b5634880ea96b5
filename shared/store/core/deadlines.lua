-- Functions for the time limits of renders: set a limit, check it, and expire renders.
-- A job has three limits, each '' for none:
--   - start_timeout_ms: from the job's acceptance to the first lease of a render.
--   - execution_timeout_ms: from the first lease of a render to its end.
--   - deadline_ms: a point in time, for all renders.
-- For each render only the limit that ends first is stored. So one sorted set shows which renders have expired.

-- needs: keys, due, move, stages

-- Stores the time at which a render expires. `timeout` names the timeout that applies: 'start_timeout' before the
-- render's first lease, 'execution_timeout' from that lease on.
local function set_deadline(render, job_key, timeout, now)
  local limits = redis.call('HMGET', job_key, timeout .. '_ms', 'deadline_ms')
  local ends = limits[1] ~= '' and now + tonumber(limits[1]) or math.huge
  if limits[2] ~= '' then ends = math.min(ends, tonumber(limits[2])) end
  if ends == math.huge then return redis.call('ZREM', P .. 'deadlines', render) end
  redis.call('ZADD', P .. 'deadlines', ends, render)
end

-- Returns whether a render has reached its time limit.
local function is_due(render, now)
  local ends = redis.call('ZSCORE', P .. 'deadlines', render)
  return ends ~= false and tonumber(ends) <= now
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
