-- Functions for the webhook message that reports the end of a job: make its id, and cancel it when the job is retried.

-- needs: keys, copies, outbox

-- Returns the id of the message. A retried job ends again, and its receivers must get a new message, so the id contains
-- the number of retries.
local function end_message_of(job, status)
  return message_of(job, 'job.' .. status, redis.call('HGET', P .. 'job:' .. job, 'revivals'))
end

-- Cancels the pending manifest, the copy into a bucket and the pending deliveries of a job's end.
local function cancel_end_delivery(job, tenant, status)
  drop_copy(job, tenant)
  redis.call('ZREM', P .. 'manifests', job)
  redis.call('HDEL', P .. 'job:' .. job, 'manifest_holder', 'manifest_attempts', 'manifest_error',
    'manifest_asked_ms')
  abandon_pending(end_message_of(job, status))
end
