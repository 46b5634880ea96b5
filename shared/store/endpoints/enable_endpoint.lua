-- Enables a webhook endpoint, so that it gets new messages and its pending deliveries. Its failures are counted from 0
-- again.
-- ARGV: endpoint, tenant, default event types (JSON).
-- Returns 1, or 0 when the tenant has no such endpoint.

-- needs: keys, clock, endpoint, outbox
local endpoint, tenant, types = unpack(ARGV)
if tenant_of_endpoint(endpoint) ~= tenant then return 0 end
local key, now = P .. 'endpoint:' .. endpoint, now_ms()
if redis.call('HGET', key, 'status') == 'enabled' then return 1 end
redis.call('HSET', key, 'status', 'enabled', 'updated_ms', now)
redis.call('HDEL', key, 'disabled_reason', 'disabled_ms', 'failing_since_ms')
subscribe(endpoint, types)
resume_destination(endpoint)
return 1
