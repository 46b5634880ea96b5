-- Returns entries of the list of deleted jobs whose objects are due for deletion. doom_job.lua makes two entries for each
-- job. The first is the job's id. The second, which is due later, is the job's id with `|again`. An entry stays in the
-- list until its deletion is complete.
-- ARGV: maximum number of entries.
-- Returns the due entries.
-- Returns nothing while a backup is under way.

-- needs: keys, clock, backups
if is_backup_under_way() then return {} end
return redis.call('ZRANGEBYSCORE', P .. 'doomed', '-inf', now_ms(), 'LIMIT', 0, ARGV[1])
