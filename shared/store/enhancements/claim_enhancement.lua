-- Leases one job whose prompt is due to be enhanced. The script takes the first due job of each class and chooses the
-- one with the lowest rank. A job whose record can't be read is set aside (taken out of the queue).
-- ARGV: holder, lease (ms).
-- Returns {job, number of the attempt from 1, spec, origin or ''}, or an empty list when no job is due.

-- needs: classes, keys, clock, aside, decide, duties, events
local function is_pending(value)
  return value == 'pending'
end

local JOB = { 'rank', is_number, 'age_rank', optional(is_number), 'lane', is_text, 'n', is_whole,
  'spec', is_text, 'enhancement', is_pending,
  'enhancement_attempts', optional(is_whole), 'origin', optional(is_text) }
local now = now_ms()

-- Returns a description of the fault if the job can't be leased, else nil.
local function fault_of(job, known, class)
  if string.match(known.lane, '^[^|]*') ~= class then return 'its lane is ' .. known.lane end
  return fault_of_events(job)
end

-- Returns the first due job of a class with a readable record, and the record. Sets aside jobs with unreadable records.
local function first_of(class)
  local list = 'enhancements:' .. class
  for _ = 1, MOST_ASIDE do
    local job = redis.call('ZRANGEBYSCORE', P .. list, '-inf', now, 'LIMIT', 0, 1)[1]
    if not job then return nil end
    local known, why = read_record(P .. 'job:' .. job, JOB)
    why = why or fault_of(job, known, class)
    if not why then return job, known end
    set_aside(list, job, 'enhancements', why)
  end
end

local best, best_rank, asked
for class in pairs(CLASS) do
  local job, known = first_of(class)
  local rank = job and tonumber(known.age_rank or known.rank)
  if job and (not best or rank < best_rank or (rank == best_rank and job < best)) then
    best, best_rank, asked = job, rank, known
  end
end
if not best then return {} end
local key = P .. 'job:' .. best
redis.call('ZADD', enhancements_of(best), now + tonumber(ARGV[2]), best)
redis.call('HSET', key, 'enhancement_holder', ARGV[1])
add_duty(ARGV[1], 'e|' .. best)
local attempt = redis.call('HINCRBY', key, 'enhancement_attempts', 1)
if attempt == 1 then append_event(best, 'job.enhancing', {}) end
return { best, attempt, asked.spec, asked.origin or '' }
