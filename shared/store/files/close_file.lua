-- Marks a file as complete when all its bytes are stored, so that its owner can read and list it.
-- Arguments (ARGV):
--   1: file
--   2, 3: purpose, filename
--   4: size (bytes)
--   5: SHA-256 of the bytes
--   6: lifetime from the start of the upload (ms), '' for no end
--   7: 1 to refuse a file that would exceed the tenant's limit of stored bytes, 0 for a file of the service itself
-- Returns {'stored'}; {'gone'} when the upload took too long and its record is gone; {'full', bytes stored, limit} for a
-- refused file.

-- needs: keys, stored
local file, purpose, filename, num_bytes, sha256, lifetime, is_limited = unpack(ARGV)
local key = P .. 'file:' .. file
local known = redis.call('HMGET', key, 'tenant', 'created_ms', 'stored')
if not known[1] then
  redis.call('ZADD', P .. 'file_ends', 0, file) -- the bytes may have been stored after they were deleted
  return { 'gone' }
end
if not known[3] then
  local excess = is_limited == '1' and excess_stored(known[1], tonumber(num_bytes))
  if excess then return { 'full', excess[1], excess[2] } end
  count_stored(known[1], num_bytes)
end
redis.call('HSET', key, 'purpose', purpose, 'filename', filename, 'bytes', num_bytes, 'sha256', sha256, 'stored',
  num_bytes)
redis.call('ZADD', P .. 'files:' .. known[1], 0, file)
redis.call('ZADD', P .. 'files:' .. known[1] .. ':' .. purpose, 0, file)
if lifetime == '' then
  redis.call('ZREM', P .. 'file_ends', file)
else
  local ends_at = tonumber(known[2]) + tonumber(lifetime)
  redis.call('HSET', key, 'expires_ms', ends_at)
  redis.call('ZADD', P .. 'file_ends', ends_at, file)
end
return { 'stored' }
