-- Deletes an endpoint with its pending deliveries and its log.
-- ARGV: endpoint, tenant.
-- Returns 1, or 0 when the tenant has no such endpoint.

-- needs: keys, endpoint, outbox
local endpoint, tenant = unpack(ARGV)
if tenant_of_endpoint(endpoint) ~= tenant then return 0 end
redis.call('HDEL', P .. 'subscriptions:' .. tenant, endpoint)
redis.call('ZREM', P .. 'endpoints:' .. tenant, endpoint)
delete_destination(endpoint)
redis.call('DEL', P .. 'endpoint:' .. endpoint)
return 1
