-- Leases one ended job whose manifest (JSON description) is due to be written. A job whose record can't be read is set
-- aside (taken out of the queue).
-- ARGV: holder, lease (ms).
-- Returns {job, number of the attempt from 1, origin or '', record of the job (job_record.lua)}, or an empty list when no manifest is due.

-- needs: keys, clock, aside, duties, job_record
-- seldom: set_aside
local JOB = { 'status', is_text, 'manifest_attempts', optional(is_whole), 'origin', optional(is_text) }
local now = now_ms()

-- Returns the first due job with a readable record, and the record. Sets aside jobs with unreadable records.
local function first_readable()
  for _ = 1, MOST_ASIDE do
    local job = redis.call('ZRANGEBYSCORE', P .. 'manifests', '-inf', now, 'LIMIT', 0, 1)[1]
    if not job then return nil end
    local known, why = read_record(P .. 'job:' .. job, JOB)
    if known then return job, known end
    set_aside('manifests', job, 'manifests', why)
  end
end

local job, known = first_readable()
if not job then return {} end
redis.call('ZADD', P .. 'manifests', now + tonumber(ARGV[2]), job)
local attempt = tonumber(known.manifest_attempts or 0) + 1
redis.call('HSET', P .. 'job:' .. job, 'manifest_holder', ARGV[1], 'manifest_attempts', attempt)
add_duty(ARGV[1], 'm|' .. job)
return { job, attempt, known.origin or '', job_record(job) }
