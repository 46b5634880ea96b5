-- Deletes jobs of a deleted batch's lines. If the owner retried such a job, its renders may be unfinished: they are
-- cancelled first.
-- ARGV: tenant, prefix of the ids of the batch's jobs, maximum number of jobs.
-- Returns the number of deleted jobs.

-- needs: keys, clock, cancel_renders, delete_job
local tenant, prefix, most = unpack(ARGV)
local jobs = redis.call('ZRANGEBYLEX', P .. 'jobs:' .. tenant, '[' .. prefix, '[' .. prefix .. '\255', 'LIMIT', 0, most)
for _, job in ipairs(jobs) do
  local n = tonumber(redis.call('HGET', P .. 'job:' .. job, 'n'))
  cancel_renders(job, n, now_ms())
  delete_job(job, tenant, redis.call('HGET', P .. 'job:' .. job, 'status'), n)
end
return #jobs
