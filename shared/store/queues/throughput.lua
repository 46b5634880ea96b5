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
--
-- The recent work of each class is measured, too: the sum `recent_<class>` of the cost of its finished renders. A cost
-- that was added RECENT_MS ago counts 1/e, so the sum is that of about the last RECENT_MS. Estimates take it as the work
-- of higher classes that will come.

-- needs: classes, keys, device_time, shares

local AVERAGES = { 'ms', 'cost', 'n', 'from', 'from_ms', 'full_ms', 'full_cost', 'full_n', 'full_from', 'full_from_ms' }
local RECENT = { 'recent_from_ms', 'recent_at_ms' } -- then the sum of each class, in the order of BY_RANK
for i, class in ipairs(BY_RANK) do RECENT[i + 2] = 'recent_' .. class end
local DONE = { ar = 'prior_ready', dit = 'succeeded' }
local FADES, MOST_OFF, STEP_MS, MOST_STEP, FEW = 0.05, 4, 30000, 2, 5
local RECENT_MS = 900000
local LEAST_RECENT_MS = 60000 -- one render in a shorter time says nothing about a rate

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

-- Returns the recent work of each class at this moment, in the order of BY_RANK. `known` has the values of the fields
-- RECENT from index `first` on.
local function faded_work(known, first, now)
  local at, sums = known[first + 1], {}
  local fades = at and math.exp((tonumber(at) - now) / RECENT_MS) or 1
  for i in ipairs(BY_RANK) do sums[i] = fades * tonumber(known[first + 1 + i] or 0) end
  return sums
end

-- Adds a finished render to both averages of its stage, and to the recent work of its class if that is known. `share` is
-- the share of its worker's slots that were in use.
local function update_pace(stage, class, ms, cost, share, now)
  local key, num = P .. 'pace:' .. stage, #AVERAGES
  local names = { unpack(AVERAGES) }
  for i, name in ipairs(RECENT) do names[num + i] = name end
  local known = redis.call('HMGET', key, unpack(names))
  local fields = updated_average(known, '', ms, cost, 1, now)
  local function add_field(name, value)
    fields[#fields + 1], fields[#fields + 2] = name, value
  end
  local full = updated_average({ unpack(known, 6, num) }, 'full_', ms, cost, share, now)
  for i = 1, #full, 2 do add_field(full[i], full[i + 1]) end
  if CLASS[class] then
    add_field('recent_from_ms', known[num + 1] or now)
    add_field('recent_at_ms', now)
    for i, work in ipairs(faded_work(known, num + 1, now)) do
      if BY_RANK[i] == class then work = work + cost end
      add_field(RECENT[i + 2], string.format('%.17g', work))
    end
  end
  redis.call('HSET', key, unpack(fields))
end

-- Returns the recent work of each class: cost per second. The numbers are strings, because JSON would round them.
local function recent_rates(stage, now)
  local known, rates = redis.call('HMGET', P .. 'pace:' .. stage, unpack(RECENT)), {}
  local from = tonumber(known[1] or now)
  local measured = math.max(LEAST_RECENT_MS, RECENT_MS * (1 - math.exp((from - now) / RECENT_MS)))
  for i, work in ipairs(faded_work(known, 1, now)) do
    rates[BY_RANK[i]] = string.format('%.17g', work / (measured / 1000))
  end
  return rates
end

-- Returns the share of a worker's slots that are in use, with the render that is just leaving.
local function occupancy_of(stage, worker)
  local slots = tonumber(redis.call('HGET', P .. 'slots:' .. stage, worker) or 0)
  return slots > 0 and math.min(1, redis.call('SCARD', P .. 'held:' .. worker) / slots) or 1
end

-- Adds a finished render to both averages of its stage, and to the recent work of its class. `past` and `job` are the
-- records of the render and of its job.
local function record_throughput(stage, render, past, job, now)
  local first, device_ms = give_device_time(stage, past.worker, now, render)
  local cost = tonumber(job[stage .. '_cost'])
  if not cost then return end
  local ms = now - tonumber(past[RUNNING_MS[stage]])
  if stage == 'dit' then ms = tonumber(first == render and device_ms or past.device_ms or ms) end
  local class = string.match(job.lane or '', '^[^|]*')
  update_pace(stage, class, ms, cost, occupancy_of(stage, past.worker), now)
end

-- Returns the two averages of a stage, and the recent work of each class as `recent`. All numbers are strings, because
-- JSON would round them.
local function averages_of(stage, now)
  local sums = redis.call('HMGET', P .. 'pace:' .. stage, 'ms', 'cost', 'n', 'full_ms', 'full_cost')
  local found = { ms = sums[1] or '0', cost = sums[2] or '0', n = sums[3] or '0' }
  found.full_ms, found.full_cost = sums[4] or found.ms, sums[5] or found.cost
  found.recent = recent_rates(stage, now)
  return found
end

-- Returns the capacity of a stage over all model revisions: live workers, their slots, the renders that they hold, and
-- the two averages of the stage.
local function stage_capacity(stage, workers, now)
  local found = averages_of(stage, now)
  found.workers, found.slots, found.running = #workers, 0, 0
  for _, worker in ipairs(workers) do
    found.slots = found.slots + worker.slots
    found.running = found.running + redis.call('SCARD', P .. 'held:' .. worker.id)
  end
  return found
end
