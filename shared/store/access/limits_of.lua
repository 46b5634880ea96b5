-- A function that reads the limits of a tenant which claims depend on.

-- needs: keys

local known_limits = {}

-- Returns the tenant's limit of running renders (false for none) and its weight in the fair order. They are read once
-- in a script.
local function limits_of(tenant)
  local known = known_limits[tenant] or redis.call('HMGET', P .. 'limits:' .. tenant, 'concurrent_renders', 'weight')
  known_limits[tenant] = known
  return known[1], tonumber(known[2] or 1)
end
