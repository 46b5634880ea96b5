-- Functions that find the live workers of a stage and their slots. A worker is live until its announcement expires.

-- needs: keys

-- Returns the slots of all live workers of a stage. The slots of a dead worker stop counting when its announcement
-- ends.
local function live_slots(stage, now)
  local slots = 0
  for _, worker in ipairs(redis.call('ZRANGEBYSCORE', P .. 'workers:' .. stage, '(' .. now, '+inf')) do
    slots = slots + tonumber(redis.call('HGET', P .. 'slots:' .. stage, worker) or 0)
  end
  return slots
end

-- Returns whether the announcement of a worker has not expired.
local function is_alive(worker, stage, now)
  local ends_at = redis.call('ZSCORE', P .. 'workers:' .. stage, worker)
  return ends_at ~= false and tonumber(ends_at) > now
end
