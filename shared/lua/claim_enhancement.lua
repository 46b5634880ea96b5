-- Leases one due job whose prompt is to be enhanced, or finds nothing. Of the first jobs of the classes, the one with the
-- lower rank goes first.
-- ARGV: holder, lease ttl (ms)
-- Returns {job, attempt number from 1, spec, origin or ''}, or an empty list.
local now = now_ms()
local best, best_rank
for class in pairs(CLASS) do
  local job = redis.call('ZRANGEBYSCORE', P .. 'enhancements:' .. class, '-inf', now, 'LIMIT', 0, 1)[1]
  local rank = job and tonumber(redis.call('HGET', P .. 'job:' .. job, 'rank'))
  if job and (not best or rank < best_rank or (rank == best_rank and job < best)) then best, best_rank = job, rank end
end
if not best then return {} end
local key = P .. 'job:' .. best
redis.call('ZADD', enhancements_of(best), now + tonumber(ARGV[2]), best)
redis.call('HSET', key, 'enhancement_holder', ARGV[1])
note_duty(ARGV[1], 'e|' .. best)
local attempt = redis.call('HINCRBY', key, 'enhancement_attempts', 1)
if attempt == 1 then append_event(best, 'job.enhancing', {}) end
local asked = redis.call('HMGET', key, 'spec', 'origin')
return { best, attempt, asked[1], asked[2] or '' }
