-- Functions that count the queued renders and the running renders of each tenant.

-- needs: keys

-- A tenant's load has two counts, queued and running. LOAD maps a render's state to its count; final renders do not
-- count. A render whose picture waits for a content check is running.
local LOAD = { queued = 'queued', prior_running = 'running', prior_ready = 'running', decode_running = 'running',
  checking = 'running' }

-- Returns the count to which a render belongs. A re-render that waits for the DiT and has not begun counts as queued,
-- since `concurrent_renders` still applies to it.
local function load_of(state, is_begun)
  return (state == 'prior_ready' and not is_begun) and 'queued' or LOAD[state]
end

-- Adds `by` to the tenant's count to which a render belongs.
local function count_load(tenant, state, is_begun, by)
  local load = load_of(state, is_begun)
  if load then redis.call('HINCRBY', P .. 'load:' .. tenant, load, by) end
end
