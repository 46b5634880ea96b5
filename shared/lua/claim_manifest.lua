-- Leases one job whose manifest is due, or finds nothing.
-- ARGV: holder, lease ttl (ms)
-- Returns {job, attempt number from 1, origin or ''}, or an empty list.
local now = now_ms()
local job = redis.call('ZRANGEBYSCORE', P .. 'manifests', '-inf', now, 'LIMIT', 0, 1)[1]
if not job then return {} end
redis.call('ZADD', P .. 'manifests', now + tonumber(ARGV[2]), job)
redis.call('HSET', P .. 'job:' .. job, 'manifest_holder', ARGV[1])
note_duty(ARGV[1], 'm|' .. job)
local attempt = redis.call('HINCRBY', P .. 'job:' .. job, 'manifest_attempts', 1)
return { job, attempt, redis.call('HGET', P .. 'job:' .. job, 'origin') or '' }
