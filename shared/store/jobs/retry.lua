-- Queues the missing pictures of a job that ended without them (see revive.lua). Finished pictures are kept; the others rank
-- as if they were new. A job that still runs after an earlier call is unchanged.
-- ARGV: job, tenant, spec (JSON; unchanged but for the deadline), deadline (ms) or '', handicap (ms), origin (JSON) or ''
-- Returns {'retried'} or {'stands'}; {'unknown'}; {'refused', status}; {'late'} when the deadline is over;
-- {'full', renders queued, limit} when the tenant's limit would be exceeded.
-- needs: keys, steady, revive
local job, tenant, spec, deadline, handicap, origin = unpack(ARGV)
local key = P .. 'job:' .. job
local known = redis.call('HMGET', key, 'tenant', 'status', 'n', 'revivals')
if known[1] ~= tenant then return { 'unknown' } end
local status = known[2]
if status == 'queued' or status == 'running' then return known[4] and { 'stands' } or { 'refused', status } end
if status == 'succeeded' then return { 'refused', status } end
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

redis.call('HSET', key, 'spec', spec, 'deadline_ms', moment_of(deadline), 'rank', now + tonumber(handicap), 'origin', origin)
reopen(job, tenant, status, 'job.retried', { n = #renders })
for _, render in ipairs(renders) do revive(render, job, tenant, now) end
return { 'retried' }
