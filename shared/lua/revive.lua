-- Another life for renders that ended without a picture, and for their job.

-- The job goes on. Its next end has ids of its own.
local function reopen(job, tenant, status, event, data)
  local key = P .. 'job:' .. job
  take_back_end(job, status)
  redis.call('HINCRBY', key, 'revivals', 1)
  redis.call('HDEL', key, 'finished_ms')
  redis.call('ZREM', P .. 'finished', job)
  set_status(job, tenant, status, redis.call('HEXISTS', key, 'started_ms') == 1 and 'running' or 'queued')
  append_event(job, event, data)
end

-- It waits for the DiT if its token grid is known, else for AR: without a strike, and with its timeouts anew.
local function revive(render, job, tenant, now)
  local key, job_key = P .. 'render:' .. render, P .. 'job:' .. job
  local known = redis.call('HMGET', key, 'index', 'state', 'prior')
  local of_job = redis.call('HMGET', job_key, 'lane', 'rank')
  local stage = known[3] and 'dit' or 'ar'
  redis.call('ZREM', P .. 'dead:' .. tenant, render)
  absolve(render)
  redis.call('HDEL', key, 'error', 'dead_stage', 'dead_ms', 'ended_in', 'finished_ms', 'started_ms')
  redis.call('HSET', key, 'state', WAITING[stage])
  count_load(tenant, WAITING[stage], false, 1)
  redis.call('HINCRBY', job_key, 'left', 1)
  local count = 'num_' .. known[2]
  if redis.call('HINCRBY', job_key, count, -1) == 0 then redis.call('HDEL', job_key, count) end
  enqueue(render, stage, of_job[1], of_job[2])
  set_deadline(render, job_key, 'start_timeout', now)
  append_event(job, 'render.stage', { index = tonumber(known[1]), state = WAITING[stage] })
end
