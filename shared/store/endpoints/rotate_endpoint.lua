-- Replaces the secret that signs the messages to a webhook endpoint. For a while, messages are also signed with the old
-- secret.
-- Arguments (ARGV):
--   1, 2: endpoint, tenant
--   3: new secret
--   4: how long the old secret also signs (ms)
--   5: maximum number of old secrets that sign
--   6: id of the rotation, or ''. A second call with the same id changes nothing
-- Returns 1, or 0 when the tenant has no such endpoint.

-- needs: keys, clock, endpoint
local endpoint, tenant, secret, ttl, most, rotation = unpack(ARGV)
if tenant_of_endpoint(endpoint) ~= tenant then return 0 end
local key, now = P .. 'endpoint:' .. endpoint, now_ms()
local found = redis.call('HMGET', key, 'secret', 'old_secrets', 'rotation')
if found[1] == secret or (rotation ~= '' and found[3] == rotation) then return 1 end
local old = { { found[1], now + tonumber(ttl) } }
for _, each in ipairs(cjson.decode(found[2])) do
  if each[2] > now and #old < tonumber(most) then table.insert(old, each) end
end
redis.call('HSET', key, 'secret', secret, 'old_secrets', cjson.encode(old), 'updated_ms', now, 'rotation', rotation)
return 1
