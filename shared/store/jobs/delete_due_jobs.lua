-- Deletes jobs whose `delete_after_s` is over, as their owner would, even while their webhook deliveries are pending.
-- A job may be an index entry by then.
-- ARGV: maximum number of jobs, and of index entries.
-- Returns the number of jobs that were due.

-- needs: keys, clock, doom_job, due, kept
local now = now_ms()
local num = each_due(P .. 'job_expiries', now, ARGV[1], function(job)
  local known = redis.call('HMGET', P .. 'job:' .. job, 'tenant', 'status', 'n')
  redis.call('ZREM', P .. 'job_expiries', job)
  if known[1] then doom_job(job, known[1], known[2], tonumber(known[3]), now) end
end)
return num + each_due(P .. 'kept_expiries', now, ARGV[1], function(due)
  local tenant, job = string.match(due, '^(.*)|(.*)$')
  local status, entry = find_kept(job, tenant)
  redis.call('ZREM', P .. 'kept_expiries', due)
  if entry then delete_kept(tenant, status, entry, now) end
end)
