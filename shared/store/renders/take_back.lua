-- Takes back at once all that a worker held, after its process was seen to end. It does not wait for leases to end, nor for
-- the pulse after an outage (pulse.lua). As in a rescue, a worker that left in order gets its renders no strike.
-- ARGV: worker, strikes that make a poison
-- Returns {number requeued, number failed, number of other leases freed}.
-- needs: keys, steady, blame, duties, open_places, stages
local worker, most_strikes = unpack(ARGV)
local now = now_ms()
for each in pairs(RUNNING) do forget_places(each, worker) end
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
  local num_back, num_failed = blame(worker, stage, tonumber(most_strikes), now)
  return { num_back, num_failed, num_freed }
end
for _, render in ipairs(held) do send_back(render, RUNNING[stage], now) end
return { #held, 0, num_freed }
