-- Functions that delete all records of a job that has ended.

-- needs: keys, copies, inputs, outbox, stored

-- Takes the bytes of a job's pictures from those that its tenant has stored. Pictures of a batch line whose job is only
-- purged still belong to the batch: they count until the batch is deleted or purged.
local function uncount_pictures(job, tenant, num_bytes, is_purged)
  if num_bytes == 0 then return end
  local batch = is_purged and redis.call('HGET', P .. 'job:' .. job, 'of_batch')
  if batch and redis.call('EXISTS', P .. 'batch:' .. batch) == 1 then
    redis.call('HINCRBY', P .. 'batch:' .. batch, 'stored', string.format('%.0f', num_bytes))
  else
    count_stored(tenant, -num_bytes)
  end
end

-- Returns the bytes of a job's pictures that count as stored.
local function picture_bytes_of(job, n)
  local num_bytes = 0
  for index = 0, n - 1 do
    local render = job .. ':' .. string.format('%04d', index)
    num_bytes = num_bytes + (tonumber(redis.call('HGET', P .. 'render:' .. render, 'stored') or nil) or 0)
  end
  return num_bytes
end

-- Deletes the records of a job with `n` renders, its webhook messages and its client id. What it has stored stays
-- counted.
local function delete_records(job, tenant, status, n)
  for index = 0, n - 1 do
    local render = job .. ':' .. string.format('%04d', index)
    redis.call('DEL', P .. 'render:' .. render, P .. 'crashes:' .. render)
    redis.call('ZREM', P .. 'dead:' .. tenant, render)
  end
  redis.call('ZREM', P .. 'jobs:' .. tenant, job)
  redis.call('ZREM', P .. 'jobs:' .. tenant .. ':' .. status, job)
  redis.call('ZREM', P .. 'manifests', job)
  drop_copy(job, tenant)
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

-- Deletes a job with `n` renders. The job's condition images are no longer in use by this job, and its pictures no longer
-- count as stored. `is_purged` is set if the objects of the job stay.
local function delete_job(job, tenant, status, n, is_purged)
  uncount_pictures(job, tenant, picture_bytes_of(job, n), is_purged)
  drop_inputs(job)
  delete_records(job, tenant, status, n)
end
