-- Deletes jobs of a tenant with their objects, whatever their status.
-- ARGV: tenant, maximum number of jobs.
-- Returns the number of deleted jobs.

-- needs: keys, clock, cancel_renders, doom_job
local tenant, most = ARGV[1], tonumber(ARGV[2])
local jobs, now = redis.call('ZRANGE', P .. 'jobs:' .. tenant, 0, most - 1), now_ms()
for _, job in ipairs(jobs) do
  local n = tonumber(redis.call('HGET', P .. 'job:' .. job, 'n')) or 0
  pcall(cancel_renders, job, n, now) -- broken records are deleted all the same
  doom_job(job, tenant, redis.call('HGET', P .. 'job:' .. job, 'status') or 'failed', n, now)
end
return #jobs
