-- Functions that keep lists of API keys by tenant, and list the tenants.
--   gridpress:keys                zset  key ids by time of creation (ms)
--   gridpress:keys_of:<tenant>    zset  the tenant's key ids by time of creation (ms)
--   gridpress:keys_listed         string  the number of key ids that are in lists of tenants
-- Releases before these lists add key ids to gridpress:keys alone, and some do not list tenants (tenant_index.lua). Then
-- the numbers differ, and all lists are made anew.

-- needs: keys, tenant_index

-- Adds an API key to the list of its tenant.
local function list_key(id, tenant, created_ms)
  redis.call('ZADD', P .. 'keys_of:' .. tenant, created_ms, id)
  list_tenant(tenant)
end

-- Notes that all lists are complete.
local function note_listed()
  local num = redis.call('ZCARD', P .. 'keys')
  redis.call('MSET', P .. 'keys_listed', num, P .. 'tenants_listed', num)
end

-- Makes the lists of all tenants complete.
local function complete_lists()
  local num = redis.call('ZCARD', P .. 'keys')
  local listed = redis.call('MGET', P .. 'keys_listed', P .. 'tenants_listed')
  if num == tonumber(listed[1] or 0) and num == tonumber(listed[2] or 0) then return end
  local ids = redis.call('ZRANGE', P .. 'keys', 0, -1, 'WITHSCORES')
  for i = 1, #ids, 2 do
    local tenant = redis.call('HGET', P .. 'key:' .. ids[i], 'tenant')
    if tenant then list_key(ids[i], tenant, ids[i + 1]) end
  end
  note_listed()
end

-- Stores a new API key. `fields` is a table of its fields.
local function store_key(id, fields, created_ms)
  complete_lists()
  for field, value in pairs(fields) do redis.call('HSET', P .. 'key:' .. id, field, value) end
  redis.call('ZADD', P .. 'keys', created_ms, id)
  list_key(id, fields.tenant, created_ms)
  note_listed()
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
  note_listed()
  return true
end
