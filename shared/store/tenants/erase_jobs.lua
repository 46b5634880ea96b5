-- Deletes jobs of a tenant with their objects, whatever their status, and those that are only index entries.
-- ARGV: tenant, maximum number of jobs, and of index entries of each status.
-- Returns the number of deleted jobs.

-- needs: keys, clock, cancel_renders, doom_job, kept
local tenant, most = ARGV[1], tonumber(ARGV[2])
local jobs, now = redis.call('ZRANGE', P .. 'jobs:' .. tenant, 0, most - 1), now_ms()
for _, job in ipairs(jobs) do
  local n = tonumber(redis.call('HGET', P .. 'job:' .. job, 'n')) or 0
  pcall(cancel_renders, job, n, now) -- broken records are deleted all the same
  doom_job(job, tenant, redis.call('HGET', P .. 'job:' .. job, 'status') or 'failed', n, now)
end
local num = #jobs
for _, kept_in in ipairs(KEPT_IN) do
  for _, entry in ipairs(redis.call('ZRANGE', P .. 'kept:' .. tenant .. ':' .. kept_in, 0, most - 1)) do
    delete_kept(tenant, kept_in, entry, now)
    num = num + 1
  end
end
return num
