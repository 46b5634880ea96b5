-- Ends what begin_idempotent began.
-- ARGV: scope, holder, how: 'keep' (with an answer), 'stands', 'release' or 'forget'; answer
--   keep     the answer is the answer from now on; the first one stays
--   stands   the job was made: whoever comes with the key from now on is answered from it
--   release  nothing is known to have been made: the next one may try under the same reserved id
--   forget   the request was refused: the key is free again, also for another body; unless somebody whose lease ended
--            may still make what it stands for: under a new id it would be made twice
-- Returns 1, or 0 when someone else took over meanwhile.
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
if how == 'forget' and redis.call('HEXISTS', key, 'overtaken') == 0 then return redis.call('DEL', key) end
redis.call('HDEL', key, 'holder', 'until_ms')
return 1
