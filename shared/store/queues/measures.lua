-- Counts for the metrics page that nothing else needs. Costs a look at every lane and its first render, and at MOST_RECEIVERS
-- receivers of webhooks at most.
-- Returns {when the render that waits longest began to wait (ms; false if none waits) for ar and dit, webhooks due, since
-- when the oldest is (ms or false), dead letters, batches that are not over, now (ms)}.
-- needs: keys, steady, outbox, stages
local MOST_RECEIVERS = 1000
local now = now_ms()

-- The first of a lane by rank, so nearly the one that waits longest: only a retry keeps an old rank.
local function oldest_of(stage)
  local oldest = false
  local function look(key)
    local first = redis.call('ZRANGE', key, 0, 0)[1]
    local since = first and tonumber(redis.call('HGET', P .. 'render:' .. first, WAITING[stage] .. '_ms') or now)
    if since and (not oldest or since < oldest) then oldest = since end
  end
  look(P .. 'quarantine:' .. stage)
  for _, lane in ipairs(redis.call('SMEMBERS', P .. 'lanes:' .. stage)) do look(P .. 'waiting:' .. stage .. ':' .. lane) end
  return oldest
end

-- What could be sent now, not what a receiver's pause or its limit on attempts holds back.
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
return { oldest_of('ar'), oldest_of('dit'), num_due, oldest_due, num_dead_letters(), redis.call('ZCARD', P .. 'batch_work'),
  now }
