-- Recovers at once all renders that a worker held. It is called when the worker's process was seen to end, and does not
-- wait for the leases to expire. If the worker had removed its announcement because it was leaving, its renders get no
-- strike (are not blamed), as in rescue.lua.
-- ARGV: worker, number of strikes with which a render fails as poison (see blame.lua).
-- Returns {number of renders that wait again, number of renders that failed, number of other leases freed (see
-- duties.lua)}.

-- needs: keys, clock, blame, duties, open_places, stages
local worker, most_strikes = unpack(ARGV)
local now = now_ms()
for each in pairs(RUNNING) do remove_places(each, worker) end
local num_freed = free_duties(worker, now)
for _, queue in ipairs({ 'delivery', 'enhance', 'batch' }) do
  redis.call('ZADD', P .. 'workers:' .. queue, 'XX', 'LT', now, worker)
end

local function stage_of(render)
  return render and RUNS[redis.call('HGET', P .. 'render:' .. render, 'state')]
end

local held = redis.call('SMEMBERS', P .. 'held:' .. worker)
local stage = stage_of(held[1])
if not stage then
  for each in pairs(RUNNING) do redis.call('ZADD', P .. 'workers:' .. each, 'XX', 'LT', now, worker) end
  return { 0, 0, num_freed }
end
if redis.call('ZSCORE', P .. 'workers:' .. stage, worker) then
  redis.call('ZADD', P .. 'workers:' .. stage, 'LT', now, worker)
  local num_back, num_failed = recover_dead_worker(worker, stage, tonumber(most_strikes), now)
  return { num_back, num_failed, num_freed }
end
for _, render in ipairs(held) do requeue_render(render, RUNNING[stage], now) end
return { #held, 0, num_freed }
