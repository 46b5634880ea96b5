-- Stores the bucket of a tenant, unless its prefix overlaps that of another tenant in the same bucket. Copies that wait
-- are tried at once.
-- ARGV: tenant, bucket (JSON with server, address, bucket and prefix), servers by address (JSON) of buckets that an earlier
--   release has stored without a server.
-- Returns 1; 0 if the prefixes overlap; -1 while the tenant's data is being erased.

-- needs: keys, clock, copies, erasing
local tenant, text, servers = ARGV[1], ARGV[2], cjson.decode(ARGV[3])
if is_erasing(tenant) then return -1 end
local own = cjson.decode(text)

-- Returns whether one of the prefixes begins with the other.
local function overlaps(other)
  local shorter = math.min(#own.prefix, #other.prefix)
  return string.sub(own.prefix, 1, shorter) == string.sub(other.prefix, 1, shorter)
end

-- Returns whether it is the same bucket, however the URL of its server is spelled.
local function is_same(other)
  local is_server = (other.server or servers[other.address]) == own.server or other.address == own.address
  return is_server and other.bucket == own.bucket
end

local all = redis.call('HGETALL', P .. 'buckets')
for i = 1, #all, 2 do
  local other = all[i] ~= tenant and cjson.decode(all[i + 1])
  if other and is_same(other) and overlaps(other) then return 0 end
end
redis.call('HSET', P .. 'buckets', tenant, text)
redis.call('DEL', P .. 'copy_state:' .. tenant)
schedule_copies(tenant, now_ms())
return 1
