-- Counts the renders that each tenant has queued and running.
-- needs: keys

-- What a render counts as in its tenant's load; a final one counts no more.
local LOAD = { queued = 'queued', prior_running = 'running', prior_ready = 'running', decode_running = 'running' }

-- What waits for the DiT without having been begun is a re-render: it still has to keep to `concurrent_renders`.
local function load_of(state, is_begun)
  return (state == 'prior_ready' and not is_begun) and 'queued' or LOAD[state]
end

local function count_load(tenant, state, is_begun, by)
  local load = load_of(state, is_begun)
  if load then redis.call('HINCRBY', P .. 'load:' .. tenant, load, by) end
end
