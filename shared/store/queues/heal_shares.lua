-- Adds tenants with waiting renders to the pools (see shares.lua) if they are missing there. A pool has the tenants
-- that compete for a stage in one class, and workers claim only from pools.
-- No script removes a tenant by mistake. But tenants may be missing in a store that was repaired by hand, or that was
-- filled by an earlier version without pools.
-- A call reads only some lanes of each stage, so its cost does not depend on the number of lanes:
--   gridpress:healing  hash  stage -> cursor of the scan over its lanes
-- It also deletes the counts of token grids that are 0 (gridpress:ahead), or those of each old revision would stay.
-- ARGV: about how many lanes of each stage to read.
-- Returns the number of tenants that were missing in a pool.

-- needs: keys, shares, workers
local num_healed = 0
for _, stage in ipairs({ 'ar', 'dit' }) do
  local cursor = redis.call('HGET', P .. 'healing', stage) or '0'
  local found = redis.call('SSCAN', P .. 'lanes:' .. stage, cursor, 'COUNT', ARGV[1])
  -- While one call reads all lanes, an idle store is not written to.
  if found[1] ~= cursor then redis.call('HSET', P .. 'healing', stage, found[1]) end
  for _, lane in ipairs(found[2]) do
    local pool, tenant = pool_of(stage, lane)
    local is_parked = redis.call('SISMEMBER', P .. 'parked:' .. tenant, pool) == 1
    if not is_parked and not tag_of(pool, tenant)
      and redis.call('EXISTS', P .. 'waiting:' .. stage .. ':' .. lane) == 1 then
      join_pool(pool, tenant)
      num_healed = num_healed + 1
    end
  end
end
for field, num in pairs(all_of(P .. 'ahead')) do
  if num == '0' then redis.call('HDEL', P .. 'ahead', field) end
end
return num_healed
