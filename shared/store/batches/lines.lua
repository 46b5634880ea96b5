-- Functions that record the end of a batch line's job. They also make its batch due, so that a batch worker stores the
-- result.

-- needs: keys

-- The final state of a line by the final status of its job (see shared/batches/batch.py).
local LINE_ENDS = { succeeded = 's', failed = 'f', cancelled = 'c', expired = 'x', rejected = 'r' }
local STORED_WITHIN_MS = 2000 -- the longest time that a result waits so that several are stored together

-- Publishes a message that the batch has changed. It has no content: readers then read the batch.
local function notify_batch_change(batch)
  redis.call('PUBLISH', P .. 'events:' .. batch, '')
end

-- Makes a batch due: it has a result to store, and may release further lines because one ended.
local function make_batch_due(batch, now)
  local known = redis.call('HMGET', P .. 'batch:' .. batch, 'holder', 'renders', 'target')
  if known[1] then return end -- the worker that holds the lease checks again before it ends the lease
  local is_short = 2 * tonumber(known[2]) < tonumber(known[3] or 0)
  redis.call('ZADD', P .. 'batch_work', 'XX', 'LT', is_short and now or now + STORED_WITHIN_MS, batch)
end

-- Records the end of a line's job. Later ends of the same job, after a retry, are ignored. `known` has the fields batch,
-- line and n of the job.
local function end_line(job, known, status, now)
  local key, lines = P .. 'batch:' .. known.batch, P .. 'batch_lines:' .. known.batch
  if redis.call('GETRANGE', lines, known.line, known.line) ~= 'o' then return end
  redis.call('SETRANGE', lines, known.line, LINE_ENDS[status])
  redis.call('RPUSH', P .. 'batch_ended:' .. known.batch, job)
  redis.call('HINCRBY', key, 'open', -1)
  redis.call('HINCRBY', key, 'renders', -known.n)
  redis.call('HINCRBY', key, status == 'succeeded' and 'completed' or 'failed', 1)
  make_batch_due(known.batch, now)
  notify_batch_change(known.batch)
end
