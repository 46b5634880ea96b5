-- Lines of a batch whose jobs have ended.
-- needs: keys

-- How a line of a batch ends with its job (shared/batches/batch.py).
local LINE_ENDS = { succeeded = 's', failed = 'f', cancelled = 'c', expired = 'x' }
local STORED_WITHIN_MS = 2000 -- results wait for company no longer than this

-- The message is a hint to look, as for a job.
local function tell_of_batch(batch)
  redis.call('PUBLISH', P .. 'events:' .. batch, '')
end

-- There is a result to store, and maybe room for another line.
local function stir_batch(batch, now)
  local known = redis.call('HMGET', P .. 'batch:' .. batch, 'holder', 'renders', 'target')
  if known[1] then return end -- whoever is at it looks again before it rests
  local is_short = 2 * tonumber(known[2]) < tonumber(known[3] or 0)
  redis.call('ZADD', P .. 'batch_work', 'XX', 'LT', is_short and now or now + STORED_WITHIN_MS, batch)
end

-- Counts once, whatever other lives its job may have. Returns whether the job is a line of a batch.
local function end_line(job, status, now)
  local known = redis.call('HMGET', P .. 'job:' .. job, 'batch', 'line', 'n')
  if not known[1] then return false end
  local key, lines = P .. 'batch:' .. known[1], P .. 'batch_lines:' .. known[1]
  if redis.call('GETRANGE', lines, known[2], known[2]) ~= 'o' then return true end
  redis.call('SETRANGE', lines, known[2], LINE_ENDS[status])
  redis.call('RPUSH', P .. 'batch_ended:' .. known[1], job)
  redis.call('HINCRBY', key, 'open', -1)
  redis.call('HINCRBY', key, 'renders', -known[3])
  redis.call('HINCRBY', key, status == 'succeeded' and 'completed' or 'failed', 1)
  stir_batch(known[1], now)
  tell_of_batch(known[1])
  return true
end
