-- What decides how many hints a queue should hold. For 'enhance', waiting is what is due now; for 'delivery', manifests and
-- receivers for which something is; for 'batch', batches.
-- ARGV: queue, key of the queue's Celery list
-- Returns {waiting, live slots, hints queued}.
local queue = ARGV[1]
local now = now_ms()
local function num_enhancements()
  local due = 0
  for class in pairs(CLASS) do due = due + redis.call('ZCOUNT', P .. 'enhancements:' .. class, '-inf', now) end
  return due
end

local function num_deliveries()
  local due = redis.call('ZCOUNT', P .. 'manifests', '-inf', now)
  for _, class in ipairs(CLASSES) do due = due + redis.call('ZCOUNT', P .. 'destinations:' .. class, '-inf', now) end
  return due
end

local function num_due()
  if queue == 'delivery' then return num_deliveries() end
  if queue == 'batch' then return redis.call('ZCOUNT', P .. 'batch_work', '-inf', now) end
  return queue == 'enhance' and num_enhancements() or num_waiting(queue)
end

return { num_due(), live_slots(queue, now), redis.call('LLEN', ARGV[2]) }
