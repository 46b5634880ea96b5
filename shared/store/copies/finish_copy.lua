-- Ends a try to copy a job or batch into the bucket of its tenant, or to delete a copy. Changes nothing if the lease was lost.
-- ARGV: entry of a list of copies.lua, tenant, holder of the lease, outcome, detail, patience (ms), mean time of the bucket's
--   last requests (ms) if it is slow, else 0.
--   copied: detail is the location of the copies
--   deleted: the copies are deleted. They are deleted once more LATE_MS later
--   failed: it can never be copied or deleted; detail is the error
--   refused: the bucket refused or hung; detail is the error. The tenant's copies pause, or its deletions, longer after each
--     failure. A copy fails if it has waited longer than the patience, since the bucket began to refuse it or all copies
--   later: the service itself failed. It is tried again soon, and the time does not count for the patience. If it fails
--     for a day and the patience, the copy fails nevertheless, so that its webhook message is sent
-- Returns 0 when the lease was lost, 2 if a copy failed because it has waited for too long, else 1.

-- needs: keys, clock, copies
local LATER_MS, LATE_MS = 5000, 600000
local LONGEST_LATER_MS = 86400000
local entry, tenant, holder, outcome, detail, patience, slow_ms = unpack(ARGV)
local leases, state, now = P .. 'copy_leases:' .. tenant, P .. 'copy_state:' .. tenant, now_ms()
local key, list, kind = copied_record(entry), copies_with(entry, tenant), is_deletion(entry) and 'delete_' or ''
local lease = redis.call('HGET', leases, entry)
if not lease or string.match(lease, '|(.*)$') ~= holder then return 0 end
redis.call('HDEL', leases, entry)

-- Records that the bucket did what it was asked.
local function forgive()
  for _, name in ipairs({ 'strikes', 'resumes_ms', 'error', 'failing_since_ms' }) do redis.call('HDEL', state, kind .. name) end
end

-- Returns since when (ms) the bucket refuses this copy, or all copies while it waits. One that is refused alone counts too,
-- while others are copied.
local function refused_since()
  redis.call('HSETNX', key, 'copy_refused_ms', now)
  local known = redis.call('HMGET', key, 'copy_since_ms', 'copy_refused_ms')
  local failing = redis.call('HGET', state, 'failing_since_ms')
  return math.max(tonumber(known[1] or 0), math.min(tonumber(known[2]), tonumber(failing)))
end

-- Returns since when (ms) the service itself can not make this copy.
local function later_since()
  redis.call('HSETNX', key, 'copy_later_ms', now)
  redis.call('HINCRBY', key, 'copy_since_ms', LATER_MS)
  return tonumber(redis.call('HGET', key, 'copy_later_ms'))
end

-- Tries it again after a pause (ms). A copy that could not be made since a time (ms), for longer than `longest` (ms), fails
-- instead. Returns whether it failed.
local function try_again(pause, since_of, longest)
  local is_copy = not is_deletion(entry) and redis.call('HEXISTS', key, 'copy_since_ms') == 1
  if is_copy and since_of() <= now - longest then
    end_copy(entry, tenant, 'failed', detail, now)
    return true
  end
  redis.call('ZADD', list, 'XX', now + pause, entry)
  return false
end

-- Records whether the bucket is slow, and since when.
local function note_pace()
  if slow_ms == '0' then return redis.call('HDEL', state, 'slow_ms', 'slow_since_ms') end
  redis.call('HSET', state, 'slow_ms', slow_ms)
  redis.call('HSETNX', state, 'slow_since_ms', now)
end

local is_given_up = false
if outcome == 'refused' then
  is_given_up = try_again(strike(entry, tenant, detail, now, 0), refused_since, tonumber(patience))
elseif outcome == 'later' then
  is_given_up = try_again(LATER_MS, later_since, tonumber(patience) + LONGEST_LATER_MS)
elseif is_deletion(entry) then
  if outcome == 'deleted' then forgive() end
  local is_listed, what = redis.call('ZREM', list, entry) == 1, string.match(entry, '^delete|(.*)$')
  if outcome == 'deleted' and is_listed and what then redis.call('ZADD', list, now + LATE_MS, 'again|' .. what) end
else
  if outcome == 'copied' then forgive() end
  end_copy(entry, tenant, outcome, detail, now)
end
note_pace()
redis.call('PEXPIRE', state, COPY_STATE_KEPT_MS)
schedule_copies(tenant, now)
return is_given_up and 2 or 1
