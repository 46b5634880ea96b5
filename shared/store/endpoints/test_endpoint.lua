-- Makes a message that is for one endpoint alone.
-- ARGV: endpoint, tenant, message, type
-- Returns 1, or 0 when there is no such endpoint.
-- needs: steady, endpoint, outbox
local endpoint, tenant, message, type = unpack(ARGV)
if tenant_of_endpoint(endpoint) ~= tenant then return 0 end
local now = now_ms()
write_message(message, tenant, type, '', now, cjson.encode({ id = endpoint, object = 'webhook_endpoint' }))
deliver(message, endpoint, now)
wake_destination(endpoint)
return 1
