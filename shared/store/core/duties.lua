-- The leases of a worker other than renders: webhooks (w), manifests (m), prompts (e) and batches (b). When its process is
-- seen to end, they are freed at once. A member whose lease has gone to another worker meanwhile is ignored.
-- The holder of such a lease contains its worker: worker, `~`, random digits.
-- needs: keys, decide, outbox
local DUTIES_KEPT_S = 86400

local function worker_of(holder)
  return string.match(holder or '', '^(.+)~')
end

local function note_duty(holder, ...)
  local worker = worker_of(holder)
  if not worker then return end
  redis.call('SADD', P .. 'duties:' .. worker, ...)
  redis.call('EXPIRE', P .. 'duties:' .. worker, DUTIES_KEPT_S)
end

local function end_duty(holder, duty)
  local worker = worker_of(holder)
  if worker then redis.call('SREM', P .. 'duties:' .. worker, duty) end
end

-- Each frees one lease if the worker still has it, and returns whether it had.
local function free_job(worker, job, field, key, now)
  if worker_of(redis.call('HGET', P .. 'job:' .. job, field)) ~= worker then return false end
  redis.call('HDEL', P .. 'job:' .. job, field)
  redis.call('ZADD', key, 'XX', now, job)
  return true
end

local FREE = {
  w = function(worker, duty, now)
    local destination, message = string.match(duty, '^([^|]*)|(.*)$')
    if worker_of(redis.call('HGET', P .. 'holders:' .. destination, message)) ~= worker then return false end
    redis.call('HDEL', P .. 'holders:' .. destination, message)
    redis.call('ZREM', P .. 'flying:' .. destination, message)
    redis.call('ZADD', P .. 'due:' .. destination, now, message)
    place_destination(destination)
    return true
  end,
  m = function(worker, job, now) return free_job(worker, job, 'manifest_holder', P .. 'manifests', now) end,
  e = function(worker, job, now)
    if redis.call('HGET', P .. 'job:' .. job, 'enhancement') ~= 'pending' then return false end
    return free_job(worker, job, 'enhancement_holder', enhancements_of(job), now)
  end,
  b = function(worker, batch, now)
    if worker_of(redis.call('HGET', P .. 'batch:' .. batch, 'holder')) ~= worker then return false end
    redis.call('HDEL', P .. 'batch:' .. batch, 'holder')
    redis.call('ZADD', P .. 'batch_work', 'XX', now, batch)
    return true
  end,
}

-- Returns how many leases were freed.
local function free_duties(worker, now)
  local num = 0
  for _, duty in ipairs(redis.call('SMEMBERS', P .. 'duties:' .. worker)) do
    if FREE[string.sub(duty, 1, 1)](worker, string.sub(duty, 3), now) then num = num + 1 end
  end
  redis.call('DEL', P .. 'duties:' .. worker)
  return num
end
