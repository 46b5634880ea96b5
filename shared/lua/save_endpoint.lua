-- Makes an endpoint, or changes some of its fields. Another tenant's is not there.
-- ARGV: endpoint, tenant, most endpoints of a tenant ('' to change one that is there), default event types (JSON),
--       then field and value, by turns
-- Returns 1; 0 when there is none to be changed, 2 when the one to be made stands already: a retry, and nothing changes;
-- -1 when the tenant has as many as it may.
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
