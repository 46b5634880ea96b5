-- Ends a job whose last render is final.
-- needs: keys, decide, end_messages, events, lines, outbox, status

local JOB_ENDED = '{"code": "job_ended", "message": "the job ended before its prompt was enhanced"}'

-- The last render is final: the job is, and whoever wants to hear of it will.
local function end_job(job, tenant, from, now)
  local key = P .. 'job:' .. job
  local status = final_status(key)
  set_status(job, tenant, from, status)
  redis.call('HSET', key, 'finished_ms', now)
  if redis.call('HGET', key, 'enhancement') == 'pending' then decide_enhancement(job, 'failed', JOB_ENDED) end
  redis.call('ZADD', P .. 'finished', now, job)
  trim_events(job)
  append_event(job, 'job.' .. status, { status = status })
  -- What a batch comes to is told by its own files and messages.
  if not end_line(job, status, now) then redis.call('ZADD', P .. 'manifests', now, job) end
  announce(tenant, end_message_of(job, status), 'job.' .. status, job, now, '')
end
