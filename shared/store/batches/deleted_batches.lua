-- Returns deleted batches whose jobs and objects are due for deletion (see purge_batches.lua). An entry stays in the
-- set until the deletion is complete.
-- ARGV: maximum number of entries.
-- Returns the entries.
-- Returns nothing while a backup is under way.

-- needs: keys, clock, backups
if is_backup_under_way() then return {} end
return redis.call('ZRANGEBYSCORE', P .. 'batch_deleted', '-inf', now_ms(), 'LIMIT', 0, ARGV[1])
