-- A function that ends a job, when its last render has become final.

-- needs: keys, decide, end_messages, events, lines, outbox, settle, status

local JOB_ENDED = '{"code": "job_ended", "message": "the job ended before its prompt was enhanced"}'

-- Gives the job its final status, and makes its manifest, its batch line's result and its webhook message due.
local function end_job(job, tenant, from, now)
  local key = P .. 'job:' .. job
  local status = final_status(key)
  set_status(job, tenant, from, status)
  redis.call('HSET', key, 'finished_ms', now)
  if redis.call('HGET', key, 'enhancement') == 'pending' then decide_enhancement(job, 'failed', JOB_ENDED) end
  redis.call('ZADD', P .. 'finished', now, job)
  append_event(job, 'job.' .. status, { status = status })
  fold_events(job)
  -- The job of a batch line has no manifest: the batch's files and messages report its result.
  if not end_line(job, status, now) then redis.call('ZADD', P .. 'manifests', now, job) end
  emit_message(tenant, end_message_of(job, status), 'job.' .. status, job, now, '')
  if status == 'succeeded' then settle_job(job) end
end
