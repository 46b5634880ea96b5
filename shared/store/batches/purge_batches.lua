-- Deletes batches whose `delete_after_s` is over, and purges other batches that ended longer ago than the retention.
-- Pictures and output files of a purged batch stay. Upkeep deletes the other objects of a purged batch.
--   gridpress:batch_ends      zset  batches that have ended, by the time of their end (ms)
--   gridpress:batch_expiries  zset  batches with a `delete_after_s` that have ended, by the time of their deletion (ms)
--   gridpress:batch_doomed    set   purged batches whose objects are not deleted yet
--   gridpress:batch_deleted   zset  deleted batches as batch, `|` and tenant, by the time at which to delete their
--                                   objects (ms). Each has a second, later entry with `|again`: it deletes objects that
--                                   a worker stored after the first deletion. Both end with `|` and the batch's
--                                   `output_prefix` if it has one: batch|tenant||prefix, batch|tenant|again|prefix
-- ARGV: retention (ms), maximum number of batches.
-- Returns purged batches whose objects may still exist; none while a backup is under way.

-- needs: keys, clock, batch, due, backups
local now, most = now_ms(), ARGV[2]
each_due(P .. 'batch_expiries', now, most, function(batch) delete_batch(batch, now) end)
each_due(P .. 'batch_ends', now - tonumber(ARGV[1]), most, function(batch)
  delete_batch_records(batch)
  redis.call('SADD', P .. 'batch_doomed', batch)
end)
if is_backup_under_way() then return {} end
return redis.call('SRANDMEMBER', P .. 'batch_doomed', most)
