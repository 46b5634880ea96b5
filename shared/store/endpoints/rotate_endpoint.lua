-- Gives an endpoint another secret; those that it replaces sign for a while longer.
-- ARGV: endpoint, tenant, secret, for how long the old one signs (ms), how many old ones may sign, id of the rotation or '':
-- a second call with the same id changes nothing
-- Returns 1, or 0 when there is none.
-- needs: keys, steady, endpoint
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
