-- Ends a delivery attempt; refuses unless the holder is the current one.
-- ARGV: delivery, holder, status ('delivered', 'abandoned' or 'pending'), error or '', delay until the next attempt (ms)
-- Returns 1, or 0 when the lease was lost.
local delivery, holder, status, error, delay = unpack(ARGV)
local key = P .. 'delivery:' .. delivery
if redis.call('HGET', key, 'holder') ~= holder then return 0 end
redis.call('HSET', key, 'status', status, 'last_error', error)
if status == 'pending' then
  redis.call('ZADD', P .. 'deliveries', now_ms() + tonumber(delay), delivery)
else
  redis.call('ZREM', P .. 'deliveries', delivery)
end
return 1
