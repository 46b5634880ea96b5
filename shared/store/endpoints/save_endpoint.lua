-- Creates a webhook endpoint, or changes some of its fields.
-- Arguments (ARGV):
--   1, 2: endpoint, tenant
--   3: maximum number of endpoints of a tenant; '' to change an endpoint
--   4: default event types (JSON)
--   then the fields to store: pairs of name and value
-- Returns 1; 0 when the tenant has no endpoint with this id to change; 2, without any change, when the endpoint to
-- create exists already, as after a retry; -1 when the tenant has reached the maximum; -2 while the tenant's data is
-- being erased.

-- needs: keys, clock, endpoint, erasing
local endpoint, tenant, most, types = unpack(ARGV, 1, 4)
local key, own, now = P .. 'endpoint:' .. endpoint, P .. 'endpoints:' .. tenant, now_ms()
if most == '' then
  if tenant_of_endpoint(endpoint) ~= tenant then return 0 end
else
  if tenant_of_endpoint(endpoint) then return 2 end
  if is_erasing(tenant) then return -2 end
  if redis.call('ZCARD', own) >= tonumber(most) then return -1 end
  redis.call('HSET', key, 'tenant', tenant, 'created_ms', now)
  redis.call('ZADD', own, 0, endpoint)
end
redis.call('HSET', key, 'updated_ms', now, unpack(ARGV, 5))
subscribe(endpoint, types)
return 1
