-- A function that checks whether a tenant is at its limit `concurrent_renders`. This limit counts the tenant's running
-- renders, which workers have leased at least once and which have not ended. It applies only to renders that have not
-- begun, so a running render never waits for it. A tenant at the limit begins no more renders, so it can't fill the
-- DiT's queue.

-- needs: keys, limits_of

local at_limit = {}
-- Returns whether a tenant is at the limit. The result is cached for the script.
local function is_at_limit(tenant)
  if at_limit[tenant] == nil then
    local most = limits_of(tenant)
    at_limit[tenant] = most ~= false
      and tonumber(redis.call('HGET', P .. 'load:' .. tenant, 'running') or 0) >= tonumber(most)
  end
  return at_limit[tenant]
end
