-- Ends the request that begin_idempotent.lua began.
-- ARGV: scope, holder, how: 'keep' (with a response), 'stands', 'reserve' (with an id), 'release' or 'forget'; response or id
--   keep     stores the response for all requests with the key; the first one stored stays
--   stands   the job was made: later requests with the key are answered from it
--   reserve  goes on, under another id than the one that was reserved
--   release  as far as is known nothing was made: the next request may try under the same reserved id
--   forget   the request was refused: the key is free again, also for another body. It stays for a while if an earlier
--            holder, whose lease ended, may still make the job: under a new id there would be two
-- Returns 1, or 0 when another request took over meanwhile.
-- needs: keys
local key = P .. 'idempotency:' .. ARGV[1]
local how = ARGV[3]
if redis.call('EXISTS', key) == 0 then return 0 end
if how == 'keep' then
  redis.call('HSETNX', key, 'answer', ARGV[4])
  redis.call('HDEL', key, 'holder', 'until_ms')
  return 1
end
if how == 'stands' then
  redis.call('HSET', key, 'stands', 1)
  redis.call('HDEL', key, 'holder', 'until_ms')
  return 1
end
if redis.call('HGET', key, 'holder') ~= ARGV[2] then return 0 end
if how == 'reserve' then
  redis.call('HSET', key, 'id', ARGV[4])
  return 1
end
if how == 'forget' and redis.call('HEXISTS', key, 'overtaken') == 0 then
  redis.call('ZREM', P .. 'idempotency_ends', ARGV[1])
  return redis.call('DEL', key)
end
if how == 'forget' then redis.call('HSET', key, 'refused', 1) end
redis.call('HDEL', key, 'holder', 'until_ms')
return 1
