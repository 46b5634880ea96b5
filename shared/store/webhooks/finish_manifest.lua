-- Ends an attempt to write a manifest; refuses unless the holder is the current one.
-- ARGV: job, holder, error or '', delay until the next attempt (ms) or '' for none
-- Returns 1, or 0 when the lease was lost.
-- needs: keys, steady, duties
local job, holder, error, delay = unpack(ARGV)
local key = P .. 'job:' .. job
if redis.call('HGET', key, 'manifest_holder') ~= holder then return 0 end
redis.call('HDEL', key, 'manifest_holder')
end_duty(holder, 'm|' .. job)
redis.call('HSET', key, 'manifest_error', error)
if delay == '' then
  redis.call('ZREM', P .. 'manifests', job)
else
  redis.call('ZADD', P .. 'manifests', now_ms() + tonumber(delay), job)
end
return 1
