-- Marks an empty store as one that is being restored. Every role refuses it from now on, those of earlier releases too,
-- because the version of the state is higher than theirs.
-- Returns 1; 2 if an earlier restore was cut short; or the name of a key that the store has.

-- needs: keys
local key = P .. 'state'
if redis.call('HEXISTS', key, 'restoring') == 1 then return 2 end
local cursor = '0'
repeat
  local page = redis.call('SCAN', cursor, 'MATCH', P .. '*', 'COUNT', 10000)
  if page[2][1] then return page[2][1] end
  cursor = page[1]
until cursor == '0'
redis.call('HSET', key, 'version', 1000000, 'oldest', 1000000, 'release', 'during a restore', 'restoring', 1)
return 1
