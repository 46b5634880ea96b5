-- Deletes the records of files that have expired, were deleted or were never completed. The bytes of these files still
-- exist afterwards.
-- ARGV: maximum number of files.
-- Returns the ids of files whose bytes the caller has to delete. Further calls return these ids again until the bytes
-- are deleted.
-- Returns nothing while a backup is under way.

-- needs: keys, clock, backups, stored
if is_backup_under_way() then return {} end
local due = redis.call('ZRANGEBYSCORE', P .. 'file_ends', '-inf', now_ms(), 'LIMIT', 0, ARGV[1])
for _, file in ipairs(due) do
  local known = redis.call('HMGET', P .. 'file:' .. file, 'tenant', 'purpose', 'stored')
  if known[2] then
    redis.call('ZREM', P .. 'files:' .. known[1], file)
    redis.call('ZREM', P .. 'files:' .. known[1] .. ':' .. known[2], file)
    count_stored(known[1], -(known[3] or 0))
  end
  redis.call('DEL', P .. 'file:' .. file)
end
return due
