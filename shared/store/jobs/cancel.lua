-- Cancels every render of a job that has not ended. A worker that holds one of these renders learns this at its next
-- heartbeat.
-- ARGV: job, tenant, then the statuses in which the job is cancelled; none for every status.
-- Returns the job's status before and after, or {} when the tenant has no such job.

-- needs: keys, clock, cancel_renders
local job, tenant = ARGV[1], ARGV[2]
local key = P .. 'job:' .. job
local owner, status, n = unpack(redis.call('HMGET', key, 'tenant', 'status', 'n'))
if owner ~= tenant then return {} end
local is_meant = #ARGV == 2
for i = 3, #ARGV do is_meant = is_meant or ARGV[i] == status end
if is_meant then cancel_renders(job, n, now_ms()) end
return { status, redis.call('HGET', key, 'status') }
