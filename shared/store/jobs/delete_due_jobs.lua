-- Deletes jobs whose `delete_after_s` is over, as their owner would, even while their webhook deliveries are pending.
-- ARGV: maximum number of jobs.
-- Returns the number of jobs that were due.

-- needs: keys, clock, doom_job, due
local now = now_ms()
return each_due(P .. 'job_expiries', now, ARGV[1], function(job)
  local known = redis.call('HMGET', P .. 'job:' .. job, 'tenant', 'status', 'n')
  redis.call('ZREM', P .. 'job_expiries', job)
  if known[1] then doom_job(job, known[1], known[2], tonumber(known[3]), now) end
end)
