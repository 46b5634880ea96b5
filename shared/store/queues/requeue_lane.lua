-- Moves jobs that wait for AR in one lane to another model revision: those that no worker has ever claimed. Other jobs
-- are bound to the revision of their first claim, and stay.
-- ARGV: lane, revision, number of renders at the head of the lane to skip, maximum number of renders to look at.
-- Returns {number of moved renders, number of renders that stay}, or an empty list if no live AR worker serves the
-- revision which no operator drains.

-- needs: keys, clock, aside, rerouting
local lane, target, first, most = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local now, is_served = now_ms(), false
for _, worker in ipairs(redis.call('ZRANGEBYSCORE', P .. 'workers:ar', '(' .. now, '+inf')) do
  is_served = is_served or (redis.call('HGET', P .. 'serves:ar', worker) == target
    and redis.call('HEXISTS', P .. 'paused', 'worker:' .. worker) == 0)
end
if not is_served then return {} end

local RENDER = { 'job', is_text }
local JOB = { 'lane', is_text, 'rank', is_number, 'n', is_render_count, 'revision', is_text,
  'ar_cost', optional(is_whole), 'dit_cost', optional(is_whole) }
local num_moved, num_seen = 0, 0
for _, render in ipairs(redis.call('ZRANGE', P .. 'waiting:ar:' .. lane, first, first + most - 1)) do
  -- A sibling may have been moved with its job already. Broken records are left to the next claim.
  if redis.call('ZSCORE', P .. 'waiting:ar:' .. lane, render) then
    local found = read_record(P .. 'render:' .. render, RENDER)
    local known = found and read_record(P .. 'job:' .. found.job, JOB)
    local num = 0
    if known and known.revision == '' and known.lane == lane then num = reroute_job(found.job, known, target) end
    num_moved = num_moved + num
    if num == 0 then num_seen = num_seen + 1 end
  end
end
return { num_moved, num_seen }
