-- Functions that keep lists of API keys by tenant.
--   gridpress:keys                zset  key ids by time of creation (ms)
--   gridpress:keys_of:<tenant>    zset  the tenant's key ids by time of creation (ms)
--   gridpress:keys_listed         string  the number of key ids that are in lists of tenants
-- Releases before these lists add key ids to gridpress:keys alone. Then the numbers differ, and all lists are made anew.

-- needs: keys

-- Adds an API key to the list of its tenant.
local function list_key(id, tenant, created_ms)
  redis.call('ZADD', P .. 'keys_of:' .. tenant, created_ms, id)
end

-- Makes the lists of all tenants complete.
local function complete_lists()
  local num = redis.call('ZCARD', P .. 'keys')
  if num == tonumber(redis.call('GET', P .. 'keys_listed') or 0) then return end
  local ids = redis.call('ZRANGE', P .. 'keys', 0, -1, 'WITHSCORES')
  for i = 1, #ids, 2 do
    local tenant = redis.call('HGET', P .. 'key:' .. ids[i], 'tenant')
    if tenant then list_key(ids[i], tenant, ids[i + 1]) end
  end
  redis.call('SET', P .. 'keys_listed', num)
end

-- Stores a new API key. `fields` is a table of its fields.
local function store_key(id, fields, created_ms)
  complete_lists()
  for field, value in pairs(fields) do redis.call('HSET', P .. 'key:' .. id, field, value) end
  redis.call('ZADD', P .. 'keys', created_ms, id)
  list_key(id, fields.tenant, created_ms)
  redis.call('SET', P .. 'keys_listed', redis.call('ZCARD', P .. 'keys'))
end

-- Returns whether an API key is revoked or has expired at the time `now_ms`.
local function is_ended(id, now_ms)
  local revoked, expires = unpack(redis.call('HMGET', P .. 'key:' .. id, 'revoked_ms', 'expires_ms'))
  return revoked or (expires and tonumber(expires) <= now_ms)
end

-- Deletes the oldest ended API keys of a tenant until it has fewer than `most` keys. Returns whether that was possible.
local function make_room(tenant, most, now_ms)
  complete_lists()
  local list = P .. 'keys_of:' .. tenant
  local excess = redis.call('ZCARD', list) - most + 1
  if excess <= 0 then return true end
  local ended = {}
  for _, id in ipairs(redis.call('ZRANGE', list, 0, -1)) do
    if #ended < excess and is_ended(id, now_ms) then ended[#ended + 1] = id end
  end
  if #ended < excess then return false end
  for _, id in ipairs(ended) do
    redis.call('DEL', P .. 'key:' .. id)
    redis.call('ZREM', P .. 'keys', id)
    redis.call('ZREM', list, id)
  end
  -- An empty store would count as one without keys, but the caller adds a key at once.
  redis.call('SET', P .. 'keys_listed', redis.call('ZCARD', P .. 'keys'))
  return true
end
