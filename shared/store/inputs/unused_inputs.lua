-- Finds objects with condition images that no job uses and no request holds. They can't be used from now on.
-- ARGV: maximum number of objects.
-- Returns objects to delete. Further calls return them again until they are deleted.
-- Returns nothing while a backup is under way.

-- needs: keys, clock, inputs, backups
if is_backup_under_way() then return {} end
local now, most = now_ms(), ARGV[1]
for _, object in ipairs(redis.call('ZRANGEBYSCORE', P .. 'inputs_unused', '-inf', now, 'LIMIT', 0, most)) do
  redis.call('ZREM', P .. 'inputs_unused', object)
  if redis.call('EXISTS', P .. 'input_uses:' .. object) == 0 then doom_input(object) end
end
return redis.call('ZRANGEBYSCORE', P .. 'inputs_doomed', '-inf', now, 'LIMIT', 0, most)
