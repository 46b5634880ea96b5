-- A function that decides whether a worker counts as gone because its leases have expired. An outage of the store (it
-- was frozen or restarted, or its clock was set) is an exception: leases then expire although their workers live,
-- because no worker can extend them.
-- To detect an outage, heartbeats and recoveries store the time of their call, the pulse. If there was no pulse for
-- half the length of a lease, no render is recovered until one lease length has passed. By then every live worker has
-- extended its leases.
-- The pulse is in the store, so all upkeep processes share it. If only an upkeep process was away, it need not wait,
-- because the workers' heartbeats stored the pulse meanwhile.

-- needs: keys, stages

-- Shortens leases and announcements to one lease length. Otherwise a clock that was set back would extend the leases of
-- dead workers.
local function shorten_leases(now, ttl)
  local keys = { P .. 'leases', P .. 'workers:delivery', P .. 'workers:enhance' }
  for stage in pairs(RUNNING) do table.insert(keys, P .. 'workers:' .. stage) end
  for _, key in ipairs(keys) do
    for _, member in ipairs(redis.call('ZRANGEBYSCORE', key, '(' .. now + ttl, '+inf')) do
      redis.call('ZADD', key, now + ttl, member)
    end
  end
end

-- Stores the pulse. `ttl` is the length of a lease (ms). Returns whether workers with expired leases count as gone.
-- Thousands of heartbeats come within a lease, so a pulse that has just been stored is not stored again. An outage then
-- seems longer by at most FRESH of a lease.
local function check_pulse(now, ttl)
  local FRESH = 1 / 50
  local key = P .. 'pulse'
  local known = redis.call('HMGET', key, 'seen_ms', 'trusted_ms', 'ttl_ms')
  local seen, trusted = tonumber(known[1] or now), tonumber(known[2] or now)
  if now < seen - ttl / 2 then shorten_leases(now, ttl) end
  if math.abs(now - seen) > ttl / 2 then trusted = now + ttl end
  local is_fresh = known[1] and math.abs(now - seen) < ttl * FRESH and tonumber(known[3]) == ttl
  if not is_fresh then redis.call('HSET', key, 'seen_ms', now, 'trusted_ms', trusted, 'ttl_ms', ttl) end
  return now >= trusted
end
