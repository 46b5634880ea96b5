-- Queues the missing pictures of a job that ended without them (see revive.lua). Finished pictures are kept. The queued
-- renders get the rank of new renders. If the job is running because of an earlier call, nothing changes.
-- Arguments (ARGV):
--   1, 2: job, tenant
--   3: spec (JSON), which may differ from the job's spec in the deadline only
--   4: deadline (wall clock, ms), or ''
--   5: handicap of the job's class (ms), which is added to the rank
--   6: origin (JSON), or ''
-- Returns {'retried'}; {'stands'} when the job is running because of an earlier retry; {'unknown'} when the tenant has
-- no such job; {'refused', status} when nothing can be retried; {'late'} when the deadline is over; {'full', renders
-- queued, limit} when the job would exceed the tenant's limit of queued renders.

-- needs: keys, clock, revive
local job, tenant, spec, deadline, handicap, origin = unpack(ARGV)
local key = P .. 'job:' .. job
local known = redis.call('HMGET', key, 'tenant', 'status', 'n', 'revivals')
if known[1] ~= tenant then return { 'unknown' } end
local status = known[2]
if status == 'queued' or status == 'running' then return known[4] and { 'stands' } or { 'refused', status } end
if status == 'succeeded' or status == 'rejected' then return { 'refused', status } end
local now = now_ms()
if deadline ~= '' and moment_of(deadline) <= now then return { 'late' } end

local renders = {}
for index = 0, tonumber(known[3]) - 1 do
  local render = job .. ':' .. string.format('%04d', index)
  if redis.call('HGET', P .. 'render:' .. render, 'state') ~= 'succeeded' then table.insert(renders, render) end
end
local num_queued = tonumber(redis.call('HGET', P .. 'load:' .. tenant, 'queued') or 0)
local most_queued = tonumber(redis.call('HGET', P .. 'limits:' .. tenant, 'queued_renders') or math.huge)
if num_queued + #renders > most_queued then return { 'full', num_queued, most_queued } end

redis.call('HSET', key, 'spec', spec, 'deadline_ms', moment_of(deadline), 'rank', now + tonumber(handicap),
  'origin', origin)
reopen(job, tenant, status, 'job.retried', { n = #renders })
for _, render in ipairs(renders) do revive(render, job, tenant, now) end
return { 'retried' }
