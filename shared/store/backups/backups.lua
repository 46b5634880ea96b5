-- A function that tells whether a backup is under way. While one is, no script names an object to delete. So each object
-- that the copied store names still exists when the backup copies it.
--   gridpress:backups  zset  backups under way, by the end of their holds (ms). A backup renews its hold. The hold of a
--                            killed backup ends by itself

-- needs: keys, clock

local function is_backup_under_way()
  return redis.call('ZCOUNT', P .. 'backups', '(' .. now_ms(), '+inf') > 0
end
