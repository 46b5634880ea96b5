-- Leases one delivery that is due, or finds nothing.
-- ARGV: holder, lease ttl (ms)
-- Returns {delivery, attempt number from 1}, or an empty list.
local now = now_ms()
local due = redis.call('ZRANGEBYSCORE', P .. 'deliveries', '-inf', now, 'LIMIT', 0, 1)
if #due == 0 then return {} end
local key = P .. 'delivery:' .. due[1]
redis.call('ZADD', P .. 'deliveries', now + tonumber(ARGV[2]), due[1])
redis.call('HSET', key, 'holder', ARGV[1], 'status', 'pending')
return { due[1], redis.call('HINCRBY', key, 'attempts', 1) }
