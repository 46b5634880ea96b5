-- How many hints a queue lacks, and sending them. A queue holds up to min(waiting, 2 x slots + 1); with no worker alive one
-- stays queued. For 'enhance', waiting is what is due now; for 'delivery', manifests and tenants for whose receivers
-- something is; for 'batch', batches.

local function num_enhancements(now)
  local due = 0
  for class in pairs(CLASS) do due = due + redis.call('ZCOUNT', P .. 'enhancements:' .. class, '-inf', now) end
  return due
end

local function num_deliveries(now)
  local due = redis.call('ZCOUNT', P .. 'manifests', '-inf', now)
  for _, class in ipairs(CLASSES) do due = due + redis.call('ZCOUNT', P .. 'line:' .. class, '-inf', now) end
  return due
end

local function num_due(queue, now)
  if queue == 'delivery' then return num_deliveries(now) end
  if queue == 'batch' then return redis.call('ZCOUNT', P .. 'batch_work', '-inf', now) end
  return queue == 'enhance' and num_enhancements(now) or num_waiting(queue)
end

-- `message`: as Celery puts it into the list (shared/hint_message.py), with HINT_ID where an id of its own belongs.
-- Returns how many were sent, at most `most`.
local function send_hints(queue, list, message, id, most, now)
  local num_hints = redis.call('LLEN', list)
  local num_wanted = math.min(most + num_hints, num_due(queue, now))
  if num_wanted > num_hints then num_wanted = math.min(num_wanted, 2 * live_slots(queue, now) + 1) end
  for number = num_hints + 1, num_wanted do
    redis.call('LPUSH', list, (string.gsub(message, 'HINT_ID', id .. '-' .. queue .. '-' .. number)))
  end
  return math.max(0, num_wanted - num_hints)
end
