-- Functions that measure the throughput of a stage: the device time for each unit of cost. It is a sum of milliseconds
-- divided by a sum of cost, over finished renders. Recent renders count most: every finished render lowers the weight
-- of all earlier renders by a twentieth.
--
-- The milliseconds of a DiT render are the time for which the worker's device computed it (device_time.lua). AR decodes
-- several renders together. So the milliseconds of an AR render are the time for which it held a row.
--
-- There are two averages:
--   - `ms` and `cost` count each render equally. They predict the time of the next render beside the running ones.
--   - `full_ms` and `full_cost` predict the time of waiting renders. An AR step takes longer with more rows, and
--     waiting renders will run on full workers. So these sums weight each render by the share of its worker's slots
--     that were in use. Hours with little load hardly change this average.
-- One outlier (a frozen worker, an outage of the object store) or one burst of renders changes an average only a
-- little. A render counts as at most MOST_OFF times the average. After the first FEW renders, an average at most
-- doubles or halves within STEP_MS.

-- needs: keys, device_time, stages

local DONE = { ar = 'prior_ready', dit = 'succeeded' }
local FADES, MOST_OFF, STEP_MS, MOST_STEP, FEW = 0.05, 4, 30000, 2, 5

-- Returns one average with a render added: pairs of field and value. `known` has the values of the fields, `kind` is ''
-- or 'full_', and `weight` is from 0 to 1. `from` is the average at `from_ms`, when the current step began.
local function updated_average(known, kind, ms, cost, weight, now)
  local old_ms, old_cost, num = tonumber(known[1] or 0), tonumber(known[2] or 0), tonumber(known[3] or 0)
  local from, from_ms = tonumber(known[4] or 0), tonumber(known[5] or 0)
  local is_settled, kept = num >= FEW and old_ms > 0, 1 - FADES * weight
  if is_settled then
    local average = old_ms / old_cost
    ms = math.max(average / MOST_OFF * cost, math.min(ms, average * MOST_OFF * cost))
    if now - from_ms >= STEP_MS then from, from_ms = average, now end
  end
  local sum_ms, sum_cost = kept * old_ms + weight * ms, kept * old_cost + weight * cost
  if is_settled then
    sum_ms = math.max(from / MOST_STEP * sum_cost, math.min(sum_ms, from * MOST_STEP * sum_cost))
  end
  return { kind .. 'ms', sum_ms, kind .. 'cost', sum_cost, kind .. 'n', kept * num + weight, kind .. 'from', from,
    kind .. 'from_ms', from_ms }
end

-- Adds a render to both averages of a stage. `share` is the share of its worker's slots that were in use.
local function update_averages(stage, ms, cost, share, now)
  local key = P .. 'pace:' .. stage
  local known = redis.call('HMGET', key, 'ms', 'cost', 'n', 'from', 'from_ms', 'full_ms', 'full_cost', 'full_n',
    'full_from', 'full_from_ms')
  local fields = updated_average(known, '', ms, cost, 1, now)
  for _, part in ipairs(updated_average({ unpack(known, 6, 10) }, 'full_', ms, cost, share, now)) do
    table.insert(fields, part)
  end
  redis.call('HSET', key, unpack(fields))
end

-- Returns the share of a worker's slots that are in use, with the render that is just leaving.
local function occupancy_of(stage, worker)
  local slots = tonumber(redis.call('HGET', P .. 'slots:' .. stage, worker) or 0)
  return slots > 0 and math.min(1, redis.call('SCARD', P .. 'held:' .. worker) / slots) or 1
end

-- Adds a finished render to both averages of its stage.
local function record_throughput(stage, render_key, now)
  give_device_time(stage, redis.call('HGET', render_key, 'worker'), now)
  local known = redis.call('HMGET', render_key, 'job', RUNNING[stage] .. '_ms', 'worker', 'device_ms')
  local cost = redis.call('HGET', P .. 'job:' .. known[1], stage .. '_cost')
  if not cost then return end
  local ms = now - tonumber(known[2])
  if stage == 'dit' and known[4] then ms = tonumber(known[4]) end -- nil if an earlier version claimed it
  update_averages(stage, ms, tonumber(cost), occupancy_of(stage, known[3]), now)
end

-- Returns the two averages of a stage. They stay strings, because JSON would round them.
local function averages_of(stage)
  local sums = redis.call('HMGET', P .. 'pace:' .. stage, 'ms', 'cost', 'n', 'full_ms', 'full_cost')
  local found = { ms = sums[1] or '0', cost = sums[2] or '0', n = sums[3] or '0' }
  found.full_ms, found.full_cost = sums[4] or found.ms, sums[5] or found.cost
  return found
end

-- Returns the capacity of a stage over all model revisions: live workers, their slots, the renders that they hold, and
-- the two averages of the stage.
local function stage_capacity(stage, workers)
  local found = averages_of(stage)
  found.workers, found.slots, found.running = #workers, 0, 0
  for _, worker in ipairs(workers) do
    found.slots = found.slots + worker.slots
    found.running = found.running + redis.call('SCARD', P .. 'held:' .. worker.id)
  end
  return found
end
