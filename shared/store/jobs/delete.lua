-- Forgets a final job, delivered or not, and leaves its objects to upkeep. They are deleted twice: a worker that lost
-- its lease may have been storing one more.
-- ARGV: job, tenant
-- Returns 0 when there is no such job, 2 when it is not final, else 1.
-- needs: keys, steady, forget
local LATE_MS = 600000
local job, tenant = unpack(ARGV)
local known = redis.call('HMGET', P .. 'job:' .. job, 'tenant', 'status', 'n', 'batch')
if known[1] ~= tenant then return 0 end
-- That of a line of a batch is needed until its result is stored.
if known[2] == 'queued' or known[2] == 'running' or known[4] then return 2 end
local now = now_ms()
redis.call('ZADD', P .. 'doomed', now, job, now + LATE_MS, job .. '|again')
forget(job, tenant, known[2], tonumber(known[3]))
return 1
