-- Functions that record a worker's duties. A duty is a lease of the worker on something other than a render: a webhook
-- delivery (w), a manifest (m), a prompt to enhance (e), a check (c) or a batch (b). When the worker's process
-- is seen to end, its duties are freed at once, except those that are leased to another worker by then.
-- The holder's id of these leases contains the worker's id: worker, `~`, random digits.

-- needs: keys, checks, decide, outbox
local DUTIES_KEPT_S = 86400

-- Returns the worker in a holder's id, or nil.
local function worker_of(holder)
  return string.match(holder or '', '^(.+)~')
end

-- Records leases of the holder's worker.
local function add_duty(holder, ...)
  local worker = worker_of(holder)
  if not worker then return end
  redis.call('SADD', P .. 'duties:' .. worker, ...)
  redis.call('EXPIRE', P .. 'duties:' .. worker, DUTIES_KEPT_S)
end

-- Removes the record of a lease that has ended.
local function remove_duty(holder, duty)
  local worker = worker_of(holder)
  if worker then redis.call('SREM', P .. 'duties:' .. worker, duty) end
end

-- Frees the lease on a job if the worker still holds it. Returns whether it did. The functions in FREE do the same for
-- each kind.
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
    schedule_destination(destination)
    return true
  end,
  m = function(worker, job, now) return free_job(worker, job, 'manifest_holder', P .. 'manifests', now) end,
  e = function(worker, job, now)
    if redis.call('HGET', P .. 'job:' .. job, 'enhancement') ~= 'pending' then return false end
    return free_job(worker, job, 'enhancement_holder', enhancements_of(job), now)
  end,
  c = function(worker, entry, now)
    local is_picture = string.find(entry, ':', 1, true)
    local key = P .. (is_picture and 'render:' or 'job:') .. entry
    if worker_of(redis.call('HGET', key, 'check_holder')) ~= worker then return false end
    redis.call('HDEL', key, 'check_holder')
    local job = is_picture and redis.call('HGET', key, 'job') or entry
    local lane = redis.call('HGET', P .. 'job:' .. job, 'lane')
    for _, list in ipairs({ checks_of(lane), texts_of(lane) }) do redis.call('ZADD', list, 'XX', now, entry) end
    return true
  end,
  b = function(worker, batch, now)
    if worker_of(redis.call('HGET', P .. 'batch:' .. batch, 'holder')) ~= worker then return false end
    redis.call('HDEL', P .. 'batch:' .. batch, 'holder')
    redis.call('ZADD', P .. 'batch_work', 'XX', now, batch)
    return true
  end,
}

-- Frees all these leases of a worker. Returns the number of freed leases.
local function free_duties(worker, now)
  local num = 0
  for _, duty in ipairs(redis.call('SMEMBERS', P .. 'duties:' .. worker)) do
    if FREE[string.sub(duty, 1, 1)](worker, string.sub(duty, 3), now) then num = num + 1 end
  end
  redis.call('DEL', P .. 'duties:' .. worker)
  return num
end
