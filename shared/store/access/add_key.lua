-- Creates an API key. It may replace another API key of the same tenant, which then expires at a given time.
-- Arguments (ARGV):
--   1: key id
--   2: time of creation (ms)
--   3: maximum number of API keys of the tenant, or ''. The oldest ended keys are deleted to make room
--   4: id of the key that the new one replaces, or ''
--   5: time at which the replaced key expires (ms), unless it expires earlier
--   then the fields of the key: pairs of name and value
-- Returns 'created', or the reason why nothing was changed: 'taken' if the key id is in use, 'ended' if the key to be
-- replaced has ended or was replaced before, 'full' if the tenant has too many keys that have not ended.

-- needs: keys, key_index
local id, created_ms, most, old_id, old_ends_ms = unpack(ARGV)
local wanted = {}
for i = 6, #ARGV, 2 do wanted[ARGV[i]] = ARGV[i + 1] end
if redis.call('EXISTS', P .. 'key:' .. id) == 1 then return 'taken' end
local old = P .. 'key:' .. old_id
if old_id ~= '' then
  local tenant, replaced = unpack(redis.call('HMGET', old, 'tenant', 'replaced_by'))
  if tenant ~= wanted.tenant or replaced or is_ended(old_id, tonumber(created_ms)) then return 'ended' end
end
if most ~= '' and not make_room(wanted.tenant, tonumber(most), tonumber(created_ms)) then return 'full' end
store_key(id, wanted, created_ms)
if old_id ~= '' then
  local ends = redis.call('HGET', old, 'expires_ms')
  if not ends or tonumber(ends) > tonumber(old_ends_ms) then redis.call('HSET', old, 'expires_ms', old_ends_ms) end
  redis.call('HSET', old, 'replaced_by', id)
end
return 'created'
