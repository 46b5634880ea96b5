-- Whether a tenant may have one more render begun: `concurrent_renders` bounds those between their first lease and their
-- end. So nothing that was begun ever waits for this limit, and a tenant at it can't fill the DiT queue.
-- needs: keys

local at_limit = {}
local function is_at_limit(tenant)
  if at_limit[tenant] == nil then
    local most = redis.call('HGET', P .. 'limits:' .. tenant, 'concurrent_renders')
    local running = redis.call('HGET', P .. 'load:' .. tenant, 'running') or 0
    at_limit[tenant] = most ~= false and tonumber(running) >= tonumber(most)
  end
  return at_limit[tenant]
end
