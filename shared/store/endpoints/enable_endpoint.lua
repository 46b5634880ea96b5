-- Announced to again; failures count anew.
-- ARGV: endpoint, tenant, default event types (JSON)
-- Returns 1, or 0 when there is none.
-- needs: keys, steady, endpoint, outbox
local endpoint, tenant, types = unpack(ARGV)
if tenant_of_endpoint(endpoint) ~= tenant then return 0 end
local key, now = P .. 'endpoint:' .. endpoint, now_ms()
if redis.call('HGET', key, 'status') == 'enabled' then return 1 end
redis.call('HSET', key, 'status', 'enabled', 'updated_ms', now)
redis.call('HDEL', key, 'disabled_reason', 'disabled_ms', 'failing_since_ms')
subscribe(endpoint, types)
wake_destination(endpoint)
return 1
