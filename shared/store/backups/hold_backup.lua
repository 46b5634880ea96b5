-- Begins or renews the hold of a backup.
-- Arguments (ARGV):
--   1: the backup
--   2: length of the hold (ms)
--   3: 'begin' or 'renew'
-- Returns 1, or 0 for a hold that has ended. Objects may have been deleted since then.

-- needs: keys, clock
local key, now = P .. 'backups', now_ms()
redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
if ARGV[3] == 'renew' and not redis.call('ZSCORE', key, ARGV[1]) then return 0 end
redis.call('ZADD', key, now + tonumber(ARGV[2]), ARGV[1])
return 1
