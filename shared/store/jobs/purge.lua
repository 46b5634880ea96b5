-- Shrinks jobs that ended longer ago than the retention to index entries (kept.lua). Pictures and manifests stay in the
-- object store.
-- A job stays in the store while its manifest, a webhook delivery or the result of its batch line is still to be
-- written, because this needs the job's record. PATIENCE_MS after the retention it no longer waits for deliveries.
-- A job without a manifest gets one first, from a delivery worker. If none was written within PATIENCE_MS, the job is
-- purged instead: it leaves no entry, but its pictures stay. Those of a job with a `delete_after_s` stay until it is over.
-- ARGV: retention (ms), maximum number of jobs.
-- Returns the number of jobs that were due.

-- needs: keys, clock, copies, delete_job, doom_job, due, kept, outbox

local RETRY_MS = 60000
-- All attempts of a delivery take at most three days, but a resend starts them again.
local PATIENCE_MS = 4 * DAY_MS

-- Returns whether the job has no pending manifest, copy, webhook delivery or batch result.
local function is_delivered(job)
  local is_stored = redis.call('HEXISTS', P .. 'job:' .. job, 'batch') == 0
  local is_copied = redis.call('HGET', P .. 'job:' .. job, 'copy') ~= 'pending'
  return is_stored and is_copied and not redis.call('ZSCORE', P .. 'manifests', job) and not has_pending_deliveries(job)
end

local now = now_ms()
local since = now - tonumber(ARGV[1])

-- Returns whether the id of a job is that of a batch line. An earlier release does not record the batch of a line whose
-- result is stored. Such an id ends with the number of retries of the batch and the number of the line, both small (see
-- line_job_id in shared/batches/batch.py). One in two million other ids looks the same: that job gets its manifest again.
local function is_line(job)
  return string.match(job, '0[048cgmrw]00[01]...$') ~= nil
end

-- Returns whether the manifest of a job is written. Upkeep has to ask for that of a batch line, and once more for one
-- that was given up. `asked_ms` is the time at which it last asked, or false.
local function has_manifest(job, asked_ms)
  if redis.call('ZSCORE', P .. 'manifests', job) then return false end
  local known = redis.call('HMGET', P .. 'job:' .. job, 'manifest_error', 'batch', 'of_batch')
  return not known[1] and (asked_ms or not (known[2] or known[3] or is_line(job)))
end

-- Makes the manifest of a job due to be written, unless it is due already.
local function ask_for_manifest(job, asked_ms)
  if not asked_ms then redis.call('HSET', P .. 'job:' .. job, 'manifest_asked_ms', now) end
  redis.call('HDEL', P .. 'job:' .. job, 'manifest_error', 'manifest_attempts')
  redis.call('ZADD', P .. 'manifests', 'NX', now, job)
end

local function purge(job)
  local known = redis.call('HMGET', P .. 'job:' .. job, 'tenant', 'status', 'n', 'finished_ms', 'manifest_asked_ms')
  local tenant, status, n, asked_ms = known[1], known[2], tonumber(known[3]), tonumber(known[5] or nil)
  if not tenant then
    redis.call('ZREM', P .. 'finished', job)
  elseif not (is_delivered(job) or tonumber(known[4]) <= since - PATIENCE_MS) then
    redis.call('ZADD', P .. 'finished', since + RETRY_MS, job)
  elseif has_manifest(job, asked_ms) then
    shrink_job(job, tenant, status, n, now)
  elseif asked_ms and asked_ms <= now - PATIENCE_MS then
    local ends = redis.call('ZSCORE', P .. 'job_expiries', job)
    if ends then
      doom_objects(job, tonumber(ends))
      delete_copy_of_job(job, tenant, n, tonumber(ends))
    end
    delete_job(job, tenant, status, n, true)
  else
    ask_for_manifest(job, asked_ms)
    redis.call('ZADD', P .. 'finished', since + RETRY_MS, job)
  end
end

return each_due(P .. 'finished', since, ARGV[2], purge)
