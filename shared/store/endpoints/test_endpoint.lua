-- Creates a test message that is sent to one webhook endpoint only.
-- ARGV: endpoint, tenant, id of the message, type of the message.
-- Returns 1, or 0 when the tenant has no such endpoint.

-- needs: clock, endpoint, outbox
local endpoint, tenant, message, type = unpack(ARGV)
if tenant_of_endpoint(endpoint) ~= tenant then return 0 end
local now = now_ms()
local is_new = write_message(message, tenant, type, '', now, cjson.encode({ id = endpoint, object = 'webhook_endpoint' }),
  { endpoint })
deliver(message, endpoint, now, tenant, is_new)
resume_destination(endpoint)
return 1
