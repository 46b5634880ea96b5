-- A function that deletes a file, for the scripts about files and batches.

-- needs: keys, stored

-- Hides a file at once and makes its bytes due for deletion. Returns whether the tenant has such a file.
local function delete_file(file, tenant)
  local key = P .. 'file:' .. file
  local known = redis.call('HMGET', key, 'tenant', 'purpose', 'stored')
  if known[1] ~= tenant or not known[2] then return false end
  redis.call('ZREM', P .. 'files:' .. tenant, file)
  redis.call('ZREM', P .. 'files:' .. tenant .. ':' .. known[2], file)
  redis.call('DEL', key)
  count_stored(tenant, -(known[3] or 0))
  redis.call('ZADD', P .. 'file_ends', 0, file)
  return true
end
