-- Deleted batches whose jobs and objects are to be deleted now (see purge_batches.lua). Each stays here until that is done.
-- ARGV: most at once
-- Returns their entries.
-- needs: keys, steady
return redis.call('ZRANGEBYSCORE', P .. 'batch_deleted', '-inf', now_ms(), 'LIMIT', 0, ARGV[1])
