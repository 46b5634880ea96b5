-- Disables a webhook endpoint for its owner. It gets no new messages. Pending deliveries wait until the endpoint is
-- enabled.
-- ARGV: endpoint, tenant.
-- Returns 1, or 0 when the tenant has no such endpoint.

-- needs: clock, endpoint
if tenant_of_endpoint(ARGV[1]) ~= ARGV[2] then return 0 end
disable_endpoint(ARGV[1], 'requested', now_ms())
return 1
