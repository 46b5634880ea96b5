-- Purges jobs that ended longer ago than the retention. Pictures and manifests stay in the object store. Those of a job
-- with a `delete_after_s` stay until it is over.
-- A job stays in the store while its manifest, a webhook delivery or the result of its batch line is still to be
-- written, because this needs the job's record. But PATIENCE_MS after the retention it is purged in any case.
-- ARGV: retention (ms), maximum number of jobs.
-- Returns the number of jobs that were due.

-- needs: keys, clock, delete_job, doom_job, due, outbox

local RETRY_MS = 60000
-- Time after the retention at which a job is purged in spite of pending deliveries. All attempts of a delivery take at
-- most three days, but a resend starts them again.
local PATIENCE_MS = 4 * DAY_MS

-- Returns whether the job has no pending manifest, webhook delivery or batch result.
local function is_delivered(job)
  local is_stored = redis.call('HEXISTS', P .. 'job:' .. job, 'batch') == 0
  return is_stored and not redis.call('ZSCORE', P .. 'manifests', job) and not has_pending_deliveries(job)
end

local since = now_ms() - tonumber(ARGV[1])

local function purge(job)
  local known = redis.call('HMGET', P .. 'job:' .. job, 'tenant', 'status', 'n', 'finished_ms')
  if not known[1] then
    redis.call('ZREM', P .. 'finished', job)
  elseif is_delivered(job) or tonumber(known[4]) <= since - PATIENCE_MS then
    local ends = redis.call('ZSCORE', P .. 'job_expiries', job)
    if ends then doom_objects(job, tonumber(ends)) end
    delete_job(job, known[1], known[2], tonumber(known[3]), true)
  else
    redis.call('ZADD', P .. 'finished', since + RETRY_MS, job)
  end
end

return each_due(P .. 'finished', since, ARGV[2], purge)
