-- Creates an API key unless its id is known. Changes tenant and scopes of a known one if that is wanted.
-- ARGV: key id, 1 to change a known key, time of creation (ms), then field and value, by turns
-- Returns the outcome (shared/store/access/keys.py names them), and the stored hash: field and value, by turns
-- needs: keys
local id, may_update, created_ms = ARGV[1], ARGV[2] == '1', ARGV[3]
local key = P .. 'key:' .. id
local wanted = {}
for i = 4, #ARGV, 2 do wanted[ARGV[i]] = ARGV[i + 1] end

local function outcome()
  local tenant, scopes, digest, revoked = unpack(redis.call('HMGET', key, 'tenant', 'scopes', 'digest', 'revoked_ms'))
  if not digest then
    for field, value in pairs(wanted) do redis.call('HSET', key, field, value) end
    redis.call('ZADD', P .. 'keys', created_ms, id)
    return 'created'
  end
  if digest ~= wanted.digest then return 'taken' end
  if revoked then return 'revoked' end
  if tenant == wanted.tenant and scopes == wanted.scopes then return 'unchanged' end
  if not may_update then return 'differs' end
  redis.call('HSET', key, 'tenant', wanted.tenant, 'scopes', wanted.scopes)
  return 'updated'
end

local result = outcome()
return {result, redis.call('HGETALL', key)}
