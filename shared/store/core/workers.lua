-- The live workers of a stage and their slots.
-- needs: keys

-- Live announcements only; a dead worker's slots stop counting when its announcement ends.
local function live_slots(stage, now)
  local slots = 0
  for _, worker in ipairs(redis.call('ZRANGEBYSCORE', P .. 'workers:' .. stage, '(' .. now, '+inf')) do
    slots = slots + tonumber(redis.call('HGET', P .. 'slots:' .. stage, worker) or 0)
  end
  return slots
end

local function is_alive(worker, stage, now)
  local ends_at = redis.call('ZSCORE', P .. 'workers:' .. stage, worker)
  return ends_at ~= false and tonumber(ends_at) > now
end
