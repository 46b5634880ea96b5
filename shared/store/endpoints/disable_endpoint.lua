-- Its owner wants nothing announced to it any more; what is due stays due until it is enabled.
-- ARGV: endpoint, tenant
-- Returns 1, or 0 when there is none.
-- needs: steady, endpoint
if tenant_of_endpoint(ARGV[1]) ~= ARGV[2] then return 0 end
disable_endpoint(ARGV[1], 'requested', now_ms())
return 1
