-- Replaces all limits of a tenant, and lets what a lower limit kept back compete again.
-- ARGV: tenant, then limit and value, by turns
-- needs: keys, shares
local tenant = ARGV[1]
local key = P .. 'limits:' .. tenant
redis.call('DEL', key)
for i = 2, #ARGV, 2 do redis.call('HSET', key, ARGV[i], ARGV[i + 1]) end
unpark(tenant)
return 1
