-- Gives a dead letter another life (see revive.lua). Its job, if it had ended, goes on.
-- ARGV: tenant, render
-- Returns 0 when there is no such dead letter, else 1.
-- needs: keys, steady, revive
local tenant, render = unpack(ARGV)
if redis.call('ZSCORE', P .. 'dead:' .. tenant, render) == false then return 0 end
local known = redis.call('HMGET', P .. 'render:' .. render, 'job', 'index')
local job = known[1]
local status = redis.call('HGET', P .. 'job:' .. job, 'status')
if status ~= 'running' then reopen(job, tenant, status, 'job.requeued', { index = tonumber(known[2]) }) end
revive(render, job, tenant, now_ms())
return 1
