-- Creates a job and its renders; the same job id again changes nothing.
-- ARGV: job, tenant, spec (JSON), class, revision ('' = the one being served), n, render 0, seed 0, render 1, seed 1, ...
-- Returns 1 when the job is new, 0 when it stood already.
local job, tenant, spec, class, revision, n = unpack(ARGV, 1, 6)
local key = P .. 'job:' .. job
if redis.call('EXISTS', key) == 1 then return 0 end
if revision == '' then revision = redis.call('GET', P .. 'revision') or '' end
local now = now_ms()
local lane = class .. '|' .. tenant .. '|' .. revision

redis.call('HSET', key, 'spec', spec, 'tenant', tenant, 'lane', lane, 'rank', now, 'status', 'queued',
  'revision', revision, 'n', n, 'left', n, 'created_ms', now)
redis.call('ZADD', P .. 'jobs:' .. tenant, 0, job)
redis.call('ZADD', P .. 'jobs:' .. tenant .. ':queued', 0, job)
for i = 7, #ARGV, 2 do
  redis.call('HSET', P .. 'render:' .. ARGV[i], 'job', job, 'index', (i - 7) / 2, 'state', 'queued',
    'seed', ARGV[i + 1], 'fence', 0, 'queued_ms', now)
  enqueue(ARGV[i], 'ar', lane, now)
end
append_event(job, 'job.queued', { n = tonumber(n) })
return 1
