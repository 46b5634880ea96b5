-- Records that a client waits for the response about a job. The script runs before the job is created. The request that
-- creates the job leases it, so that no retry of the request gets the job meanwhile.
--   gridpress:undelivered:<scope>    zset    job ids by the time of the request (ms). A scope is a tenant and a
--                                            fingerprint
--   gridpress:undelivered_by:<job>   string  holder and end of the lease (ms), while the job is leased to a request.
--                                            The store's own expiry only cleans up, because it follows the wall clock
-- Arguments (ARGV):
--   1, 2: scope, job
--   3, 4: holder, lease (ms)
--   5: how long a job waits for a retry (ms)

-- needs: keys, clock
local key, now = P .. 'undelivered:' .. ARGV[1], now_ms()
redis.call('ZREMRANGEBYSCORE', key, '-inf', now - tonumber(ARGV[5]))
redis.call('ZADD', key, now, ARGV[2])
redis.call('PEXPIRE', key, ARGV[5])
redis.call('SET', P .. 'undelivered_by:' .. ARGV[2], ARGV[3] .. ' ' .. now + tonumber(ARGV[4]), 'PX', ARGV[4])
