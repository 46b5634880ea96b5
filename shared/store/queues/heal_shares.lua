-- Adds tenants with waiting renders to the pools (see shares.lua) if they are missing there. A pool has the tenants
-- that compete for a stage in one class, and workers claim only from pools.
-- No script removes a tenant by mistake. But tenants may be missing in a store that was repaired by hand, or that was
-- filled by an earlier version without pools.
-- A call reads only some lanes of each stage, so its cost does not depend on the number of lanes:
--   gridpress:healing  hash  stage -> cursor of the scan over its lanes; credit_ms: time of the last look at the credits
-- It also deletes the counts of token grids that are 0 (gridpress:ahead), or those of each old revision would stay. Once an
-- hour it deletes the credits (gridpress:credit) of kinds of workers that have left.
-- ARGV: about how many lanes of each stage to read.
-- Returns the number of tenants that were missing in a pool.

-- needs: clock, keys, shares, workers
local HOUR_MS = 3600000
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

-- Returns the names of the credits with the workers that have announced themselves. A worker of an earlier release
-- announced no sizes, and its credits are named without them.
local function credits_of_workers()
  local found = {}
  for _, stage in ipairs({ 'ar', 'dit' }) do
    local sizes = all_of(P .. 'sizes:' .. stage)
    for worker, revision in pairs(all_of(P .. 'serves:' .. stage)) do
      for _, class in ipairs(BY_RANK) do
        local pool = stage .. ':' .. class .. '|' .. revision
        found[sizes[worker] and credit_name(stage, class, revision, sizes[worker]) or pool] = true
      end
    end
  end
  return found
end

local function delete_old_credits()
  if redis.call('EXISTS', P .. 'credit') == 0 then return end
  local now = now_ms()
  if math.abs(now - tonumber(redis.call('HGET', P .. 'healing', 'credit_ms') or 0)) < HOUR_MS then return end
  local kept = credits_of_workers()
  for _, name in ipairs(redis.call('HKEYS', P .. 'credit')) do
    if not kept[name] then redis.call('HDEL', P .. 'credit', name) end
  end
  redis.call('HSET', P .. 'healing', 'credit_ms', string.format('%.0f', now))
end

delete_old_credits()
return num_healed
