-- Holds the objects of a request's condition images before the images are stored: upkeep deletes none of them before the
-- hold ends. The script that creates the job then records that the job uses them.
-- Arguments (ARGV):
--   1: tenant
--   2: length of the hold (ms)
--   then for each image: its SHA-256, and the object to use unless the tenant has an object with this image
-- Returns the object of each image; none while the tenant's data is being erased.

-- needs: keys, clock, erasing
if is_erasing(ARGV[1]) then return {} end
local names, ends = P .. 'input_names:' .. ARGV[1], now_ms() + tonumber(ARGV[2])
local objects = {}
for i = 3, #ARGV, 2 do
  redis.call('HSETNX', names, ARGV[i], ARGV[i + 1])
  local object = redis.call('HGET', names, ARGV[i])
  redis.call('ZADD', P .. 'inputs_unused', 'GT', ends, object)
  table.insert(objects, object)
end
return objects
