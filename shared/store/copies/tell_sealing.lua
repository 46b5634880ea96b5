-- Records the sealing keys of a process, and forgets processes that ended.
--   gridpress:sealing  zset  processes that seal or open secrets (JSON, see sealing_holders.py), by the time at which they
--                            told their keys
-- ARGV: process (JSON), time for which it counts (ms).
-- Returns all processes that count.

-- needs: keys, clock
local now = now_ms()
redis.call('ZADD', P .. 'sealing', now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', P .. 'sealing', '-inf', now - tonumber(ARGV[2]))
return redis.call('ZRANGE', P .. 'sealing', 0, -1)
