-- Deletes a job that has ended, even while its webhook deliveries are pending (see doom_job.lua).
-- ARGV: job, tenant.
-- Returns 1; 0 when the tenant has no such job; 2 when the job has not ended, or is a batch line whose result is not
-- stored.

-- needs: keys, clock, doom_job

local job, tenant = unpack(ARGV)
local known = redis.call('HMGET', P .. 'job:' .. job, 'tenant', 'status', 'n', 'batch')
if known[1] ~= tenant then return 0 end
-- The job of a batch line is needed until its result is stored.
if known[2] == 'queued' or known[2] == 'running' or known[4] then return 2 end
doom_job(job, tenant, known[2], tonumber(known[3]), now_ms())
return 1
