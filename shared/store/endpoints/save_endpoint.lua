-- Creates an endpoint, or changes some of its fields. Another tenant's endpoint counts as missing.
-- ARGV: endpoint, tenant, limit of endpoints of a tenant ('' to change an endpoint), default event types (JSON),
--       then field and value, by turns
-- Returns 1; 0 when the endpoint to change is missing; 2 when the one to create exists already: a retry, which changes
-- nothing; -1 when the tenant has reached the limit.
-- needs: keys, steady, endpoint
local endpoint, tenant, most, types = unpack(ARGV, 1, 4)
local key, own, now = P .. 'endpoint:' .. endpoint, P .. 'endpoints:' .. tenant, now_ms()
if most == '' then
  if tenant_of_endpoint(endpoint) ~= tenant then return 0 end
else
  if tenant_of_endpoint(endpoint) then return 2 end
  if redis.call('ZCARD', own) >= tonumber(most) then return -1 end
  redis.call('HSET', key, 'tenant', tenant, 'created_ms', now)
  redis.call('ZADD', own, 0, endpoint)
end
redis.call('HSET', key, 'updated_ms', now, unpack(ARGV, 5))
subscribe(endpoint, types)
return 1
