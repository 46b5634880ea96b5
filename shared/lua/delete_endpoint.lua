-- ARGV: endpoint, tenant
-- Returns 1, or 0 when there is none.
local endpoint, tenant = unpack(ARGV)
if tenant_of_endpoint(endpoint) ~= tenant then return 0 end
redis.call('HDEL', P .. 'subscriptions:' .. tenant, endpoint)
redis.call('ZREM', P .. 'endpoints:' .. tenant, endpoint)
redis.call('DEL', P .. 'endpoint:' .. endpoint)
forget_destination(endpoint)
return 1
