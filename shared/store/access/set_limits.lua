-- Replaces all limits of a tenant. Renders that waited because of an earlier, lower limit may be claimed again.
-- ARGV: tenant, then pairs of a limit's name and value.
-- Returns 1.

-- needs: keys, shares, tenant_index
local tenant = ARGV[1]
local key = P .. 'limits:' .. tenant
redis.call('DEL', key)
for i = 2, #ARGV, 2 do redis.call('HSET', key, ARGV[i], ARGV[i + 1]) end
list_tenant(tenant)
unpark(tenant)
return 1
