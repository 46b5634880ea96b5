-- Deleted jobs whose objects are to be deleted now (see delete.lua). Each stays here until that is done.
-- ARGV: most at once
-- Returns their entries: the job, or the job and '|again'.
-- needs: keys, steady
return redis.call('ZRANGEBYSCORE', P .. 'doomed', '-inf', now_ms(), 'LIMIT', 0, ARGV[1])
