-- Notes that the answer about a job is awaited, before the job is made; the request that makes it holds it until then.
--   gridpress:undelivered:<scope>    zset    job ids by when they were asked for (ms), of one tenant and one request
--   gridpress:undelivered_by:<job>   string  holder and until when it holds (ms), while the job is being made or a retry waits
--                                            for it. Valkey's own expiry follows the wall clock, and only tidies up
-- ARGV: scope, job, holder, lease (ms), kept for (ms)
-- needs: keys, steady
local key, now = P .. 'undelivered:' .. ARGV[1], now_ms()
redis.call('ZREMRANGEBYSCORE', key, '-inf', now - tonumber(ARGV[5]))
redis.call('ZADD', key, now, ARGV[2])
redis.call('PEXPIRE', key, ARGV[5])
redis.call('SET', P .. 'undelivered_by:' .. ARGV[2], ARGV[3] .. ' ' .. now + tonumber(ARGV[4]), 'PX', ARGV[4])
