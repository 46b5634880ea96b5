-- Whether a lease that has ended means that its worker is gone. After the store stood still (it was frozen, it restarted,
-- its clock was set), leases have ended although their workers live: nobody could renew. So beats and rescues leave a
-- pulse, and where it was missed for half a lease, nothing is taken back until one lease length has passed: by then every
-- live worker has renewed. It is kept here and not in upkeep, so that all upkeep processes share it, and one that was
-- away need not wait: the workers' beats kept the pulse.
-- needs: keys, stages

-- A clock that was set back would keep the leases of the dead alive for as long.
local function cut_leases(now, ttl)
  local keys = { P .. 'leases', P .. 'workers:delivery', P .. 'workers:enhance' }
  for stage in pairs(RUNNING) do table.insert(keys, P .. 'workers:' .. stage) end
  for _, key in ipairs(keys) do
    for _, member in ipairs(redis.call('ZRANGEBYSCORE', key, '(' .. now + ttl, '+inf')) do
      redis.call('ZADD', key, now + ttl, member)
    end
  end
end

-- Notes that the store serves; `ttl` is the length of a lease (ms). Returns whether leases that ended are lost.
local function feel_pulse(now, ttl)
  local key = P .. 'pulse'
  local known = redis.call('HMGET', key, 'seen_ms', 'trusted_ms')
  local seen, trusted = tonumber(known[1] or now), tonumber(known[2] or now)
  if now < seen - ttl / 2 then cut_leases(now, ttl) end
  if math.abs(now - seen) > ttl / 2 then trusted = now + ttl end
  redis.call('HSET', key, 'seen_ms', now, 'trusted_ms', trusted, 'ttl_ms', ttl)
  return now >= trusted
end
