-- Functions that store the estimated cost of a batch, and measure the rate at which its lines end. The rate is measured
-- only while some lines are no jobs yet. Fields of gridpress:batch:<batch>:
--   cost_lines, cost_pictures, cost_ar, cost_dit  number of lines and pictures, and cost in each stage, of all lines
--                                                 that can be rendered (see shared/schedule/cost.py)
--   todo_ar, todo_dit                             cost of the lines that are no jobs yet
--   rate_ms, rate_ended, next_ms, next_ended      two samples of time (ms) and number of ended lines. The current
--                                                 measurement began at the first sample, and the next measurement will
--                                                 begin at the second one

-- needs: keys, batch_order

local RATE_STEP_MS = 60000 -- a rate is measured over a time of one to two steps

-- Stores the cost of all lines of a batch, of which none is a job yet.
local function set_cost(batch, cost)
  redis.call('HSET', P .. 'batch:' .. batch, 'cost_lines', cost.lines, 'cost_pictures', cost.pictures,
    'cost_ar', cost.ar, 'cost_dit', cost.dit, 'todo_ar', cost.ar, 'todo_dit', cost.dit)
end

-- Returns the cost of `num_lines` lines that are queued again, in this batch or in another one: a proportional part of
-- the batch's cost. Returns nil when the cost is unknown.
local function scaled_cost(batch, num_lines)
  local known = redis.call('HMGET', P .. 'batch:' .. batch, 'cost_lines', 'cost_pictures', 'cost_ar', 'cost_dit')
  local lines = tonumber(known[1] or 0)
  if lines == 0 then return nil end
  local function part(value) return string.format('%.0f', tonumber(value) * num_lines / lines) end
  return { lines = num_lines, pictures = part(known[2]), ar = part(known[3]), dit = part(known[4]) }
end

-- Deletes the samples, so that the measurement starts again.
local function reset_rate(batch)
  redis.call('HDEL', P .. 'batch:' .. batch, 'rate_ms', 'rate_ended', 'next_ms', 'next_ended')
end

-- Takes a sample for the rate. Every step of work on a batch except the last calls this function. While other batches
-- go first or the batch is paused, nothing is measured.
local function sample_rate(batch, now)
  local key = P .. 'batch:' .. batch
  local known = redis.call('HMGET', key, 'completed', 'failed', 'rate_ms', 'next_ms', 'next_ended', 'is_behind',
    'paused')
  if known[6] or known[7] then return reset_rate(batch) end
  if known[1] == '0' or num_waiting_lines(batch) == 0 then return end
  local ended = tonumber(known[1]) + tonumber(known[2])
  if not known[3] then
    redis.call('HSET', key, 'rate_ms', now, 'rate_ended', ended)
  elseif now - tonumber(known[4] or known[3]) >= RATE_STEP_MS then
    if known[4] then redis.call('HSET', key, 'rate_ms', known[4], 'rate_ended', known[5]) end
    redis.call('HSET', key, 'next_ms', now, 'next_ended', ended)
  end
end
