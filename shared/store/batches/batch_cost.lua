-- What is known of a batch's work: the cost of all its lines that can be rendered, and of those that are no jobs yet. And how
-- fast its lines end while it may release more.
--   in gridpress:batch:<batch>: cost_lines, cost_pictures, cost_ar, cost_dit (of all, see shared/schedule/cost.py); todo_ar, todo_dit (of
--   lines that are no jobs yet); rate_ms and rate_ended, next_ms and next_ended (when how many lines had ended)
-- needs: keys, batch_order

local RATE_STEP_MS = 60000 -- a rate is measured over one step to two

local function set_cost(batch, cost)
  redis.call('HSET', P .. 'batch:' .. batch, 'cost_lines', cost.lines, 'cost_pictures', cost.pictures, 'cost_ar', cost.ar,
    'cost_dit', cost.dit, 'todo_ar', cost.ar, 'todo_dit', cost.dit)
end

-- So many of a batch's lines wait again, here or in another batch: their cost is taken in proportion.
local function scaled_cost(batch, num_lines)
  local known = redis.call('HMGET', P .. 'batch:' .. batch, 'cost_lines', 'cost_pictures', 'cost_ar', 'cost_dit')
  local lines = tonumber(known[1] or 0)
  if lines == 0 then return nil end
  local function part(value) return string.format('%.0f', tonumber(value) * num_lines / lines) end
  return { lines = num_lines, pictures = part(known[2]), ar = part(known[3]), dit = part(known[4]) }
end

local function forget_rate(batch)
  redis.call('HDEL', P .. 'batch:' .. batch, 'rate_ms', 'rate_ended', 'next_ms', 'next_ended')
end

-- Every step of work on a batch ends here but the last. Nothing is measured while other batches go first.
local function note_rate(batch, now)
  local key = P .. 'batch:' .. batch
  local known = redis.call('HMGET', key, 'completed', 'failed', 'rate_ms', 'next_ms', 'next_ended', 'is_behind', 'paused')
  if known[6] or known[7] then return forget_rate(batch) end
  if known[1] == '0' or num_waiting_lines(batch) == 0 then return end
  local ended = tonumber(known[1]) + tonumber(known[2])
  if not known[3] then
    redis.call('HSET', key, 'rate_ms', now, 'rate_ended', ended)
  elseif now - tonumber(known[4] or known[3]) >= RATE_STEP_MS then
    if known[4] then redis.call('HSET', key, 'rate_ms', known[4], 'rate_ended', known[5]) end
    redis.call('HSET', key, 'next_ms', now, 'next_ended', ended)
  end
end
