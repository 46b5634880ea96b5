-- Functions for the scripts that change webhook endpoints: find the tenant, update subscriptions, disable an endpoint.
--   gridpress:endpoint:<endpoint>      hash  tenant, url, events (JSON, [] for the default), payload, description,
--                                            headers (JSON), secret, old_secrets (JSON: [secret, end in ms]), status,
--                                            disabled_reason, created_ms, updated_ms, disabled_ms, failing_since_ms
--   gridpress:endpoints:<tenant>       zset  endpoint ids, score 0: lexical order is order of creation
--   gridpress:subscriptions:<tenant>   hash  endpoint -> its event types (JSON); only enabled endpoints

-- needs: keys

-- Returns the endpoint's tenant, or nil when there is no such endpoint.
local function tenant_of_endpoint(endpoint)
  return redis.call('HGET', P .. 'endpoint:' .. endpoint, 'tenant') or nil
end

-- Updates the tenant's subscriptions after a change of the endpoint. `types` (JSON) are the event types of an endpoint
-- without a choice of its own.
local function subscribe(endpoint, types)
  local found = redis.call('HMGET', P .. 'endpoint:' .. endpoint, 'tenant', 'status', 'events')
  local key = P .. 'subscriptions:' .. found[1]
  if found[2] == 'enabled' then
    redis.call('HSET', key, endpoint, found[3] == '[]' and types or found[3])
  else
    redis.call('HDEL', key, endpoint)
  end
end

-- Disables an endpoint. `reason` is 'requested', 'gone' (the receiver answered 410) or 'failing' (for days). Returns
-- whether the endpoint was enabled before.
local function disable_endpoint(endpoint, reason, now)
  local key = P .. 'endpoint:' .. endpoint
  local found = redis.call('HMGET', key, 'tenant', 'status')
  if found[2] ~= 'enabled' then return false end
  redis.call('HSET', key, 'status', 'disabled', 'disabled_reason', reason, 'disabled_ms', now, 'updated_ms', now)
  redis.call('HDEL', P .. 'subscriptions:' .. found[1], endpoint)
  return true
end
