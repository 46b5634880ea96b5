-- Notes that a finished picture may answer the same request again. The latest picture of a request counts.
--   gridpress:reuse:<tenant>        hash  digest of a request -> key of its picture in the object store
--   gridpress:reuse_ends:<tenant>   zset  digests, by the time (ms) from which the picture is not used any more
-- Both keys expire with their last entry, so the index of a tenant without new pictures needs no upkeep.
-- ARGV: tenant, digest, key of the picture, how long it may be used (ms), largest number of entries.

-- needs: keys, clock, erasing
local tenant, digest, object, kept, most = unpack(ARGV)
if is_erasing(tenant) then return 0 end
local pictures, ends, now = P .. 'reuse:' .. tenant, P .. 'reuse_ends:' .. tenant, now_ms()
redis.call('HSET', pictures, digest, object)
redis.call('ZADD', ends, now + tonumber(kept), digest)

-- Forgets entries, the first to end first. A call adds one entry, so a few are enough.
local function forget(digests)
  for _, each in ipairs(digests) do
    redis.call('HDEL', pictures, each)
    redis.call('ZREM', ends, each)
  end
end

local MOST_AT_ONCE = 8
forget(redis.call('ZRANGEBYSCORE', ends, '-inf', now, 'LIMIT', 0, MOST_AT_ONCE))
local excess = redis.call('ZCARD', ends) - tonumber(most)
if excess > 0 then forget(redis.call('ZRANGE', ends, 0, math.min(excess, MOST_AT_ONCE) - 1)) end
redis.call('PEXPIRE', pictures, kept)
redis.call('PEXPIRE', ends, kept)
return 1
