-- Creates an API key unless its key id exists. On request it changes the tenant and the scopes of an existing key.
-- Arguments (ARGV):
--   1: key id
--   2: 1 to change an existing key, else 0
--   3: time of creation (ms)
--   then the fields of the key: pairs of name and value
-- Returns the outcome (see `Ensured` in shared/store/access/keys.py) and the stored hash as a list of fields and
-- values.

-- needs: keys, key_index
local id, may_update, created_ms = ARGV[1], ARGV[2] == '1', ARGV[3]
local key = P .. 'key:' .. id
local wanted = {}
for i = 4, #ARGV, 2 do wanted[ARGV[i]] = ARGV[i + 1] end

-- Creates or changes the key as requested. Returns the outcome.
local function outcome()
  local tenant, scopes, digest, revoked = unpack(redis.call('HMGET', key, 'tenant', 'scopes', 'digest', 'revoked_ms'))
  if not digest then
    store_key(id, wanted, created_ms)
    return 'created'
  end
  if digest ~= wanted.digest then return 'taken' end
  if revoked then return 'revoked' end
  if tenant == wanted.tenant and scopes == wanted.scopes then return 'unchanged' end
  if not may_update then return 'differs' end
  redis.call('HSET', key, 'tenant', wanted.tenant, 'scopes', wanted.scopes)
  if tenant ~= wanted.tenant then
    redis.call('ZREM', P .. 'keys_of:' .. tenant, id)
    list_key(id, wanted.tenant, redis.call('ZSCORE', P .. 'keys', id))
  end
  return 'updated'
end

local result = outcome()
return {result, redis.call('HGETALL', key)}
