-- Begins to erase the data of a tenant. From now on nothing new of the tenant is accepted. A repeated call changes nothing,
-- except that it may add the tenant's settings to what is erased.
-- ARGV: tenant, '1' to erase the tenant's settings too, else '0'.

-- needs: keys, clock
local tenant, with_settings = unpack(ARGV)
local key = P .. 'erasure:' .. tenant
redis.call('SADD', P .. 'erasing', tenant)
if redis.call('HSETNX', key, 'started_ms', now_ms()) == 1 then redis.call('HSET', key, 'phase', 'deleting') end
if with_settings == '1' then redis.call('HSET', key, 'with_settings', 1) end
