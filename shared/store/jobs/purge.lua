-- Forgets finished jobs whose time in the store is over, and of which nothing is left to deliver: a delivery reads its
-- job. Their pictures and manifests stay in the object store.
-- ARGV: retention (ms), most jobs at once
-- Returns the number of jobs that were looked at.
-- needs: keys, steady, due, forget, outbox
local RETRY_MS = 60000
-- All attempts of a delivery together take three days. One that was asked for later, or that waits for a receiver which
-- never comes back, keeps its job no longer than this.
local PATIENCE_MS = 4 * DAY_MS

local function is_delivered(job)
  local is_stored = redis.call('HEXISTS', P .. 'job:' .. job, 'batch') == 0
  return is_stored and not redis.call('ZSCORE', P .. 'manifests', job) and not is_telling(job)
end

local since = now_ms() - tonumber(ARGV[1])

local function purge(job)
  local known = redis.call('HMGET', P .. 'job:' .. job, 'tenant', 'status', 'n', 'finished_ms')
  if not known[1] then
    redis.call('ZREM', P .. 'finished', job)
  elseif is_delivered(job) or tonumber(known[4]) <= since - PATIENCE_MS then
    forget(job, known[1], known[2], tonumber(known[3]))
  else
    redis.call('ZADD', P .. 'finished', since + RETRY_MS, job)
  end
end

return each_due(P .. 'finished', since, ARGV[2], purge)
