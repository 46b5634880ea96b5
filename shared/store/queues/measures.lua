-- Returns values for the metrics of upkeep. To limit its own cost, the script reads only the first render of every
-- lane, and at most MOST_RECEIVERS receivers of webhooks.
-- Returns a list:
--   1, 2: for AR and for the DiT, the time at which the oldest waiting render began to wait (ms; false if none waits)
--   3: number of webhook deliveries that are due
--   4: time at which the oldest of these deliveries became due (ms; false if none is due)
--   5: number of dead letters
--   6: number of batches that have not ended
--   7: the time now (ms)

-- needs: keys, clock, outbox, stages
local MOST_RECEIVERS = 1000
local now = now_ms()

-- Returns the time since which the oldest render of a stage has waited. It reads only the first render of each lane.
-- That is nearly always the oldest one, because only a retried render keeps an earlier rank.
local function oldest_of(stage)
  local oldest = false
  local function look(key)
    local first = redis.call('ZRANGE', key, 0, 0)[1]
    local since = first and tonumber(redis.call('HGET', P .. 'render:' .. first, WAITING[stage] .. '_ms') or now)
    if since and (not oldest or since < oldest) then oldest = since end
  end
  look(P .. 'quarantine:' .. stage)
  for _, lane in ipairs(redis.call('SMEMBERS', P .. 'lanes:' .. stage)) do
    look(P .. 'waiting:' .. stage .. ':' .. lane)
  end
  return oldest
end

-- Counts deliveries that could be sent now, without those that wait for a receiver's pause or its limit of attempts.
local function deliveries_due()
  local num, oldest, num_seen = 0, false, 0
  local function look(destination)
    num_seen = num_seen + 1
    num = num + redis.call('ZCOUNT', P .. 'due:' .. destination, '-inf', now)
    local since = tonumber(redis.call('ZRANGE', P .. 'due:' .. destination, 0, 0, 'WITHSCORES')[2])
    if since and since <= now and (not oldest or since < oldest) then oldest = since end
  end
  for _, class in ipairs(CLASSES) do
    local line = P .. 'line:' .. class
    for _, tenant in ipairs(redis.call('ZRANGEBYSCORE', line, '-inf', now, 'LIMIT', 0, MOST_RECEIVERS - num_seen)) do
      local most = math.max(0, MOST_RECEIVERS - num_seen)
      local due = redis.call('ZRANGEBYSCORE', line .. ':' .. tenant, '-inf', now, 'LIMIT', 0, most)
      for _, destination in ipairs(due) do look(destination) end
    end
  end
  return num, oldest
end

local function num_dead_letters()
  local num = 0
  for _, tenant in ipairs(redis.call('SMEMBERS', P .. 'dead')) do
    local of_tenant = redis.call('ZCARD', P .. 'dead:' .. tenant)
    if of_tenant == 0 then redis.call('SREM', P .. 'dead', tenant) end
    num = num + of_tenant
  end
  return num
end

local num_due, oldest_due = deliveries_due()
return { oldest_of('ar'), oldest_of('dit'), num_due, oldest_due, num_dead_letters(),
  redis.call('ZCARD', P .. 'batch_work'), now }
