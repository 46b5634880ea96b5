-- A function that deletes all records of a job that has ended.

-- needs: keys, inputs, outbox

-- Deletes the records of a job with `n` renders, its webhook messages and its client id. The job's condition images are
-- no longer in use by this job.
local function delete_job(job, tenant, status, n)
  for index = 0, n - 1 do
    local render = job .. ':' .. string.format('%04d', index)
    redis.call('DEL', P .. 'render:' .. render, P .. 'crashes:' .. render)
    redis.call('ZREM', P .. 'dead:' .. tenant, render)
  end
  drop_inputs(job)
  redis.call('ZREM', P .. 'jobs:' .. tenant, job)
  redis.call('ZREM', P .. 'jobs:' .. tenant .. ':' .. status, job)
  redis.call('ZREM', P .. 'manifests', job)
  delete_job_messages(job, tenant)
  local client_id = redis.call('HGET', P .. 'job:' .. job, 'client_id')
  if client_id then redis.call('HDEL', P .. 'client_ids:' .. tenant, client_id) end
  redis.call('DEL', P .. 'job:' .. job, P .. 'events:' .. job, P .. 'past_events:' .. job)
  redis.call('ZREM', P .. 'finished', job)
  redis.call('ZREM', P .. 'job_expiries', job)
  if redis.call('EXISTS', P .. 'jobs:' .. tenant) == 1 then return end
  redis.call('DEL', P .. 'load:' .. tenant)
  redis.call('SREM', P .. 'enhancing', tenant)
end
