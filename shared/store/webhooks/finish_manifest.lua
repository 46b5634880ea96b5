-- Ends an attempt to write the manifest (JSON description) of an ended job. Leaves the job unchanged if the lease was
-- lost.
-- ARGV: job, holder of the lease, error or '', delay until the next attempt (ms) or '' if there is none.
-- Returns 1, or 0 when the lease was lost.

-- needs: keys, clock, duties
local job, holder, error, delay = unpack(ARGV)
local key = P .. 'job:' .. job
if redis.call('HGET', key, 'manifest_holder') ~= holder then return 0 end
remove_duty(holder, 'm|' .. job)
if error == '' then
  redis.call('HDEL', key, 'manifest_holder', 'manifest_attempts', 'manifest_error')
else
  redis.call('HDEL', key, 'manifest_holder')
  redis.call('HSET', key, 'manifest_error', error)
end
if delay == '' then
  redis.call('ZREM', P .. 'manifests', job)
else
  redis.call('ZADD', P .. 'manifests', now_ms() + tonumber(delay), job)
end
return 1
