-- Extends the lease on a job or batch that is being copied, or whose copy is being deleted.
-- ARGV: entry of a list of copies.lua, tenant, holder of the lease, lease (ms).
-- Returns 1, or 0 when the lease was lost.

-- needs: keys, clock
local entry, tenant, holder, ttl = unpack(ARGV)
local leases = P .. 'copy_leases:' .. tenant
local lease = redis.call('HGET', leases, entry)
if not lease or string.match(lease, '|(.*)$') ~= holder then return 0 end
redis.call('HSET', leases, entry, string.format('%.0f', now_ms() + tonumber(ttl)) .. '|' .. holder)
return 1
