-- When a render's time is over. Three limits of a job, each '' when there is none: start_timeout_ms (from acceptance to
-- the first lease of the render), execution_timeout_ms (from that lease on), deadline_ms (a moment, for all renders).
-- Only the next one is kept, so that one sorted set answers who is due.
-- needs: keys, due, move, stages

-- Before the first lease the start timeout counts, from it on the execution timeout.
local function set_deadline(render, job_key, timeout, now)
  local limits = redis.call('HMGET', job_key, timeout .. '_ms', 'deadline_ms')
  local ends = limits[1] ~= '' and now + tonumber(limits[1]) or math.huge
  if limits[2] ~= '' then ends = math.min(ends, tonumber(limits[2])) end
  if ends == math.huge then return redis.call('ZREM', P .. 'deadlines', render) end
  redis.call('ZADD', P .. 'deadlines', ends, render)
end

local function is_due(render, now)
  local ends = redis.call('ZSCORE', P .. 'deadlines', render)
  return ends ~= false and tonumber(ends) <= now
end

local LATE = {
  deadline = 'it was not finished at its deadline',
  start_timeout = 'it was not started within its start_timeout_s',
  execution_timeout = 'it was not finished within its execution_timeout_s',
}

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

local function expire_due(now, most)
  return each_due(P .. 'deadlines', now, most, function(render) expire(render, now) end)
end
