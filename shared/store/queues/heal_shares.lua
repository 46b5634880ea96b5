-- Brings tenants of whom something waits into the pools that claims look at (see shares.lua). Nothing takes one out of them
-- by mistake; but a store that was filled by a release without pools, or was mended by hand, may lack them.
-- It looks at some lanes of each stage at a time, so that a call costs the same however many there are:
--   gridpress:healing  hash  stage -> cursor of the look that goes on
-- ARGV: lanes of a stage to look at, about
-- Returns the number of tenants that were in no pool.
-- needs: keys, shares
local num_healed = 0
for _, stage in ipairs({ 'ar', 'dit' }) do
  local cursor = redis.call('HGET', P .. 'healing', stage) or '0'
  local found = redis.call('SSCAN', P .. 'lanes:' .. stage, cursor, 'COUNT', ARGV[1])
  -- Where one look sees all lanes, an idle store is not written to.
  if found[1] ~= cursor then redis.call('HSET', P .. 'healing', stage, found[1]) end
  for _, lane in ipairs(found[2]) do
    local pool, tenant = pool_of(stage, lane)
    local is_parked = redis.call('SISMEMBER', P .. 'parked:' .. tenant, pool) == 1
    if not is_parked and not tag_of(pool, tenant) and redis.call('EXISTS', P .. 'waiting:' .. stage .. ':' .. lane) == 1 then
      join_pool(pool, tenant)
      num_healed = num_healed + 1
    end
  end
end
return num_healed
