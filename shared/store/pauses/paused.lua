-- Functions that tell what operators have paused. Workers claim nothing that is paused; it waits and does not fail.
--   gridpress:paused  hash  <kind>:<name> -> JSON {reason, since_ms, key_id}. The kinds are `stage` (ar, dit), `class`,
--                           `tenant`, `revision`, and `worker` for a worker that an operator drains

-- needs: keys

-- Returns nil while nothing is paused. Else returns a function that returns whether something is paused.
local function pause_check()
  if redis.call('EXISTS', P .. 'paused') == 0 then return nil end
  local known = {}
  return function(kind, name)
    local field = kind .. ':' .. name
    if known[field] == nil then known[field] = redis.call('HEXISTS', P .. 'paused', field) == 1 end
    return known[field]
  end
end

-- Returns what pauses the renders of a lane (see lanes.lua) in a stage: kind and name; nil if nothing does.
local function pause_of_lane(is_paused, stage, lane)
  local class, tenant, revision = string.match(lane, '^([^|]*)|([^|]*)|([^|]*)')
  local parts = { 'stage', stage, 'class', class or '', 'tenant', tenant or '', 'revision', revision or '' }
  for i = 1, #parts, 2 do
    if is_paused(parts[i], parts[i + 1]) then return parts[i], parts[i + 1] end
  end
end
