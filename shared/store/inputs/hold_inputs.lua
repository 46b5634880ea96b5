-- Holds the objects of a request's condition images before the images are stored: upkeep deletes none of them before the
-- hold ends. The script that creates the job then records that the job uses them. Images that the tenant has not stored
-- yet count as stored from now on.
-- Arguments (ARGV):
--   1: tenant
--   2: length of the hold (ms)
--   then for each image: its SHA-256, the object to use unless the tenant has an object with this image, and its bytes
-- Returns {'held', object of each image...}; {'erasing'} while the tenant's data is being erased; {'full', bytes stored,
-- limit, more bytes} if the new images would exceed the tenant's limit of stored bytes.

-- needs: keys, clock, erasing, stored
local tenant = ARGV[1]
if is_erasing(tenant) then return { 'erasing' } end
local names, sizes, ends = P .. 'input_names:' .. tenant, P .. 'input_bytes:' .. tenant, now_ms() + tonumber(ARGV[2])

-- The new images: SHA-256 -> bytes.
local news, more = {}, 0
for i = 3, #ARGV, 3 do
  local object = redis.call('HGET', names, ARGV[i])
  if not news[ARGV[i]] and not (object and redis.call('HEXISTS', sizes, object) == 1) then
    news[ARGV[i]] = ARGV[i + 2]
    more = more + tonumber(ARGV[i + 2])
  end
end
local excess = more > 0 and excess_stored(tenant, more)
if excess then return { 'full', excess[1], excess[2], more } end

local found = { 'held' }
for i = 3, #ARGV, 3 do
  redis.call('HSETNX', names, ARGV[i], ARGV[i + 1])
  local object = redis.call('HGET', names, ARGV[i])
  if redis.call('HSETNX', sizes, object, ARGV[i + 2]) == 1 then count_stored(tenant, ARGV[i + 2]) end
  redis.call('ZADD', P .. 'inputs_unused', 'GT', ends, object)
  table.insert(found, object)
end
return found
