-- Ends or changes a request with an Idempotency-Key that begin_idempotent.lua has begun.
-- ARGV: scope, holder, action, and for 'keep' a response or for 'reserve' an id. Actions:
--   - keep: stores the response for all requests with the key. Only the first stored response counts.
--   - stands: says that the job was created. Later requests with the key get their response from the job.
--   - reserve: replaces the reserved id by another id, with which the request continues.
--   - release: says that, as far as is known, nothing was created. The next request may try with the same reserved id.
--   - forget: says that the request was refused. The key is free again, also for another body. There is one exception:
--     if this request took over from an earlier one, the earlier one may still create the job. Then the reserved id
--     stays for a while, because with a new id there could be two jobs.
-- Returns 1, or 0 when another request took over meanwhile.

-- needs: keys, job_stands
local key = P .. 'idempotency:' .. ARGV[1]
local how = ARGV[3]
if redis.call('EXISTS', key) == 0 then return 0 end
if how == 'keep' then
  redis.call('HSETNX', key, 'answer', ARGV[4])
  redis.call('HDEL', key, 'holder', 'until_ms')
  return 1
end
if how == 'stands' then
  job_stands(ARGV[1])
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
