-- Functions that requeue those renders of an ended job that have no picture, and reopen the job.

-- needs: keys, checks, deadlines, end_messages, events, fields, lanes, lines, sizes, stages, status, suspicion
-- needs: tenant_load

-- Reopens the batch line of a job whose result is not stored yet. The line has not ended after all.
local function reopen_line(job)
  local known = redis.call('HMGET', P .. 'job:' .. job, 'batch', 'line', 'n')
  if not known[1] then return end
  local key, lines = P .. 'batch:' .. known[1], P .. 'batch_lines:' .. known[1]
  local how = redis.call('GETRANGE', lines, known[2], known[2])
  if how ~= LINE_ENDS.failed and how ~= LINE_ENDS.cancelled and how ~= LINE_ENDS.expired then return end
  redis.call('SETRANGE', lines, known[2], 'o')
  redis.call('LREM', P .. 'batch_ended:' .. known[1], 1, job)
  redis.call('HINCRBY', key, 'open', 1)
  redis.call('HINCRBY', key, 'renders', known[3])
  redis.call('HINCRBY', key, 'failed', -1)
  notify_batch_change(known[1])
end

-- Puts a job that has ended into the lane of its size, if an earlier release accepted it for the ordinary one.
local function put_into_lane_of_size(job)
  local known = fields_of(P .. 'job:' .. job, 'lane', 'size', 'spec')
  local lane, size = lane_of_size(known)
  redis.call('HSET', P .. 'job:' .. job, 'lane', lane, 'size', size)
end

-- Reopens a job. The webhook message of its next end has a new id.
local function reopen(job, tenant, status, event, data)
  local key = P .. 'job:' .. job
  cancel_end_delivery(job, tenant, status)
  unfold_events(job)
  reopen_line(job)
  put_into_lane_of_size(job)
  redis.call('HINCRBY', key, 'revivals', 1)
  redis.call('HDEL', key, 'finished_ms')
  redis.call('ZREM', P .. 'finished', job)
  redis.call('ZREM', P .. 'job_expiries', job)
  set_status(job, tenant, status, redis.call('HEXISTS', key, 'started_ms') == 1 and 'running' or 'queued')
  append_event(job, event, data)
end

-- Queues a render again, for the DiT if it has a token grid, else for AR. Its strikes are cleared and its timeouts
-- start again. If the prompt of its job was not allowed yet, the render waits for the check of the prompt first.
local function revive(render, job, tenant, now)
  local key, job_key = P .. 'render:' .. render, P .. 'job:' .. job
  local known = redis.call('HMGET', key, 'index', 'state', 'prior')
  local stage = known[3] and 'dit' or 'ar'
  redis.call('ZREM', P .. 'dead:' .. tenant, render)
  clear_suspicion(render)
  redis.call('HDEL', key, 'error', 'dead_stage', 'dead_ms', 'ended_in', 'finished_ms', 'started_ms')
  redis.call('HSET', key, 'state', WAITING[stage], 'revived_ms', now)
  count_load(tenant, WAITING[stage], false, 1)
  redis.call('HINCRBY', job_key, 'left', 1)
  local count = 'num_' .. known[2]
  if redis.call('HINCRBY', job_key, count, -1) == 0 then redis.call('HDEL', job_key, count) end
  local limits = redis.call('HMGET', job_key, 'start_timeout_ms', 'deadline_ms', 'check', 'lane')
  if limits[3] == 'pending' then
    require_prompt_check(job, limits[4], tenant, now)
  else
    enqueue(render, stage, queueing_of(job), false)
  end
  set_deadline(render, limits[1], limits[2], now)
  append_event(job, 'render.stage', { index = tonumber(known[1]), state = WAITING[stage] })
end
