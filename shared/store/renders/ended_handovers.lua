-- Returns objects whose deletion is due. Each contains the saved latents of an unfinished render. An object stays in
-- the store's list until it is deleted.
-- ARGV: maximum number of objects.
-- Returns the objects' keys.
-- Returns nothing while a backup is under way.

-- needs: keys, clock, backups
if is_backup_under_way() then return {} end
return redis.call('ZRANGEBYSCORE', P .. 'handovers', '-inf', now_ms(), 'LIMIT', 0, ARGV[1])
