-- The webhook message that reports the end of a job.
-- needs: keys, outbox

-- A job that was given another life ends again, and its receivers must hear of it: ids derive from the life, too.
local function end_message_of(job, status)
  return message_of(job, 'job.' .. status, redis.call('HGET', P .. 'job:' .. job, 'revivals'))
end

-- What is still to be delivered of a job's end is taken back.
local function take_back_end(job, status)
  redis.call('ZREM', P .. 'manifests', job)
  redis.call('HDEL', P .. 'job:' .. job, 'manifest_holder', 'manifest_attempts', 'manifest_error')
  withdraw(end_message_of(job, status))
end
