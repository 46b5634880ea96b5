-- Gives a dead letter another life: back to the state in which its stage waits, without a strike. Its job, if it had
-- ended, runs again; what was still to be delivered of that end is taken back.
-- ARGV: tenant, render
-- Returns 0 when there is no such dead letter, else 1.
local tenant, render = unpack(ARGV)
if redis.call('ZSCORE', P .. 'dead:' .. tenant, render) == false then return 0 end
local now = now_ms()
local key = P .. 'render:' .. render
local known = redis.call('HMGET', key, 'job', 'index', 'dead_stage')
local job, stage = known[1], known[3]
local job_key = P .. 'job:' .. job
local of_job = redis.call('HMGET', job_key, 'status', 'lane', 'rank')

redis.call('ZREM', P .. 'dead:' .. tenant, render)
absolve(render)
redis.call('HDEL', key, 'error', 'dead_stage', 'dead_ms', 'ended_in', 'finished_ms', 'started_ms')
redis.call('HSET', key, 'state', WAITING[stage])
count_load(tenant, WAITING[stage], 1)
redis.call('HINCRBY', job_key, 'left', 1)
redis.call('HINCRBY', job_key, 'num_failed', -1)
if of_job[1] ~= 'running' then
  set_status(job, tenant, of_job[1], 'running')
  redis.call('HDEL', job_key, 'finished_ms')
  redis.call('ZREM', P .. 'finished', job)
  for _, delivery in ipairs(deliveries_of(job, of_job[1])) do
    redis.call('ZREM', P .. 'deliveries', delivery)
    redis.call('DEL', P .. 'delivery:' .. delivery)
  end
  append_event(job, 'job.requeued', { index = tonumber(known[2]) })
end
enqueue(render, stage, of_job[2], of_job[3])
set_deadline(render, job_key, 'start_timeout', now)
append_event(job, 'render.stage', { index = tonumber(known[2]), state = WAITING[stage] })
return 1
