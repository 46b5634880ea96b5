-- Deletes the records of a tenant's unfinished uploads, and makes their bytes due for deletion.
-- ARGV: tenant, then files.
-- Returns the number of deleted records.

-- needs: keys, stored
local num = 0
for i = 2, #ARGV do
  if redis.call('HGET', P .. 'file:' .. ARGV[i], 'tenant') == ARGV[1] then
    count_stored(ARGV[1], -(redis.call('HGET', P .. 'file:' .. ARGV[i], 'stored') or 0))
    redis.call('DEL', P .. 'file:' .. ARGV[i])
    redis.call('ZADD', P .. 'file_ends', 0, ARGV[i])
    num = num + 1
  end
end
return num
