-- Queues the render of a dead letter (a render that failed because it crashed workers) again, see revive.lua. If the
-- render's job had ended, the job runs again.
-- ARGV: tenant, render.
-- Returns 1, or 0 when the tenant has no such dead letter.

-- needs: keys, clock, revive
local tenant, render = unpack(ARGV)
if redis.call('ZSCORE', P .. 'dead:' .. tenant, render) == false then return 0 end
local known = redis.call('HMGET', P .. 'render:' .. render, 'job', 'index')
local job = known[1]
local status = redis.call('HGET', P .. 'job:' .. job, 'status')
if status ~= 'running' then reopen(job, tenant, status, 'job.requeued', { index = tonumber(known[2]) }) end
revive(render, job, tenant, now_ms())
return 1
