-- Endpoints, for those who change them. Keys:
--   gridpress:endpoint:<endpoint>      hash  tenant, url, events (JSON, [] for the default), payload, description, headers (JSON),
--                                            secret, old_secrets (JSON: [secret, end in ms]), status, disabled_reason,
--                                            created_ms, updated_ms, disabled_ms, failing_since_ms
--   gridpress:endpoints:<tenant>       zset  endpoint ids, score 0: lexical order is order of creation
--   gridpress:subscriptions:<tenant>   hash  endpoint -> its event types (JSON); only those that are enabled
-- needs: keys

-- Returns nil, or the endpoint's tenant.
local function tenant_of_endpoint(endpoint)
  return redis.call('HGET', P .. 'endpoint:' .. endpoint, 'tenant') or nil
end

-- Makes what is announced to it follow what its hash says. `types` (JSON): what no choice of events means.
local function subscribe(endpoint, types)
  local found = redis.call('HMGET', P .. 'endpoint:' .. endpoint, 'tenant', 'status', 'events')
  local key = P .. 'subscriptions:' .. found[1]
  if found[2] == 'enabled' then
    redis.call('HSET', key, endpoint, found[3] == '[]' and types or found[3])
  else
    redis.call('HDEL', key, endpoint)
  end
end

-- `reason`: 'requested', 'gone' (it answered 410) or 'failing' (for days). Returns whether it was enabled.
local function disable_endpoint(endpoint, reason, now)
  local key = P .. 'endpoint:' .. endpoint
  local found = redis.call('HMGET', key, 'tenant', 'status')
  if found[2] ~= 'enabled' then return false end
  redis.call('HSET', key, 'status', 'disabled', 'disabled_reason', reason, 'disabled_ms', now, 'updated_ms', now)
  redis.call('HDEL', P .. 'subscriptions:' .. found[1], endpoint)
  return true
end
