-- Creates a job and its renders; the same job id again changes nothing.
-- The rank orders all that waits: the time of creation, plus a handicap for a lower class. So an interactive render
-- goes first, and one of the batch class goes before all that came later than its handicap: it ages, it never starves.
-- ARGV: job, tenant, spec (JSON), class, handicap (ms), start timeout, execution timeout, deadline (ms each, '' for
-- none), revision ('' = the one being served), n, render 0, seed 0, render 1, seed 1, ...
-- Returns 1 when the job is new, 0 when it stood already; {renders queued, limit} when it would be too many of the tenant.
local job, tenant, spec, class, handicap, start_timeout, execution_timeout, deadline, revision, n = unpack(ARGV, 1, 10)
local key = P .. 'job:' .. job
if redis.call('EXISTS', key) == 1 then return 0 end
local num_queued = tonumber(redis.call('HGET', P .. 'load:' .. tenant, 'queued') or 0)
local most_queued = tonumber(redis.call('HGET', P .. 'limits:' .. tenant, 'queued_renders') or math.huge)
if num_queued + tonumber(n) > most_queued then return { num_queued, most_queued } end
if revision == '' then revision = redis.call('GET', P .. 'revision') or '' end
local now = now_ms()
local lane = class .. '|' .. tenant .. '|' .. revision
local rank = now + tonumber(handicap)

redis.call('HSET', key, 'spec', spec, 'tenant', tenant, 'lane', lane, 'rank', rank, 'status', 'queued',
  'revision', revision, 'n', n, 'left', n, 'created_ms', now, 'start_timeout_ms', start_timeout,
  'execution_timeout_ms', execution_timeout, 'deadline_ms', deadline)
redis.call('ZADD', P .. 'jobs:' .. tenant, 0, job)
count_load(tenant, 'queued', n)
redis.call('ZADD', P .. 'jobs:' .. tenant .. ':queued', 0, job)
for i = 11, #ARGV, 2 do
  redis.call('HSET', P .. 'render:' .. ARGV[i], 'job', job, 'index', (i - 11) / 2, 'state', 'queued',
    'seed', ARGV[i + 1], 'fence', 0, 'queued_ms', now)
  enqueue(ARGV[i], 'ar', lane, rank)
  set_deadline(ARGV[i], key, 'start_timeout', now)
end
append_event(job, 'job.queued', { n = tonumber(n) })
return 1
