-- A function that ends a job, when its last render has become final.

-- needs: keys, checks, copies, decide, events, fields, lines, outbox, settle, status

local JOB_ENDED = '{"code": "job_ended", "message": "the job ended before its prompt was enhanced"}'

-- Gives the job its final status, and makes its manifest, its batch line's result and its webhook message due. If its
-- pictures are to be copied into the bucket of its tenant, the message waits for that. `last` is the state in which its last render ended, and `from` the job's status before.
local function end_job(job, last, tenant, from, now)
  local known = fields_of(P .. 'job:' .. job, 'n', 'num_succeeded', 'num_failed', 'num_cancelled', 'num_expired',
    'num_rejected', 'enhancement', 'check', 'lane', 'revivals', 'batch', 'line', 'note', 'webhook_url', 'webhook_events',
    'delete_after_ms')
  local count = 'num_' .. last
  known[count] = tonumber(known[count] or 0) + 1
  local status = final_status(known)
  set_status(job, tenant, from, status, { 'finished_ms', now, 'left', 0, count, known[count] })
  if known.enhancement == 'pending' then decide_enhancement(job, 'failed', JOB_ENDED) end
  if known.check == 'pending' then leave_prompt_check(job, known.lane) end
  redis.call('ZADD', P .. 'finished', now, job)
  if known.delete_after_ms then redis.call('ZADD', P .. 'job_expiries', now + known.delete_after_ms, job) end
  append_event(job, 'job.' .. status, { status = status }, tenant)
  fold_events(job)
  -- The job of a batch line has no manifest: the batch's files and messages report its result.
  if known.batch then end_line(job, known, status, now) else redis.call('ZADD', P .. 'manifests', now, job) end
  local message = message_of(job, 'job.' .. status, known.revivals)
  if hold_for_copy(job, tenant, known, now) then return end
  emit_message(tenant, message, 'job.' .. status, job, now, '', known)
  if status == 'succeeded' then settle_job(job) end
end
