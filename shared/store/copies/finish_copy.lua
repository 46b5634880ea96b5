-- Ends a try to copy a job or batch into the bucket of its tenant, or to delete a copy. Changes nothing if the lease was lost.
-- ARGV: entry of a list of copies.lua, tenant, holder of the lease, outcome, detail, patience (ms), mean time of the bucket's
--   last requests (ms) if it is slow, else 0.
--   copied: detail is the location of the copies
--   deleted: the copies are deleted. They are deleted once more LATE_MS later
--   failed: it can never be copied or deleted; detail is the error
--   refused: the bucket refused or hung; detail is the error. The tenant's copies pause, or its deletions, longer after each
--     failure. A copy that has waited longer than the patience fails
--   later: the service itself failed. It is tried again soon, and the time does not count for the patience. A copy fails a
--     day after the patience nevertheless, so that its webhook message is sent
-- Returns 0 when the lease was lost, 2 if a copy failed because it has waited for too long, else 1.

-- needs: keys, clock, copies
local FIRST_PAUSE_MS, LONGEST_PAUSE_MS, LATER_MS, LATE_MS = 2000, 300000, 5000, 600000
local LONGEST_LATER_MS = 86400000
local entry, tenant, holder, outcome, detail, patience, slow_ms = unpack(ARGV)
local leases, state, now = P .. 'copy_leases:' .. tenant, P .. 'copy_state:' .. tenant, now_ms()
local key, list, kind = copied_record(entry), copies_with(entry, tenant), is_deletion(entry) and 'delete_' or ''
local lease = redis.call('HGET', leases, entry)
if not lease or string.match(lease, '|(.*)$') ~= holder then return 0 end
redis.call('HDEL', leases, entry)

-- Records that the bucket refused a copy, or a deletion. Returns the pause until the next try (ms).
local function strike()
  local strikes = redis.call('HINCRBY', state, kind .. 'strikes', 1)
  local pause = math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ^ math.min(strikes - 1, 10))
  redis.call('HSET', state, kind .. 'resumes_ms', string.format('%.0f', now + pause), kind .. 'error', detail)
  redis.call('HSETNX', state, kind .. 'failing_since_ms', now)
  return pause
end

-- Records that the bucket did what it was asked.
local function forgive()
  for _, name in ipairs({ 'strikes', 'resumes_ms', 'error', 'failing_since_ms' }) do redis.call('HDEL', state, kind .. name) end
end

-- Tries it again after a pause (ms). A copy that waits since before a time (ms), by this field of its record, fails instead.
-- Returns whether it failed.
local function try_again(pause, field, before)
  local since = kind == '' and redis.call('HGET', key, field)
  if since and tonumber(since) <= before then
    end_copy(entry, tenant, 'failed', detail, now)
    return true
  end
  redis.call('ZADD', list, 'XX', now + pause, entry)
  return false
end

local is_given_up = false
if outcome == 'refused' then
  is_given_up = try_again(strike(), 'copy_since_ms', now - tonumber(patience))
elseif outcome == 'later' then
  if redis.call('HEXISTS', key, 'copy_since_ms') == 1 then redis.call('HINCRBY', key, 'copy_since_ms', LATER_MS) end
  is_given_up = try_again(LATER_MS, 'copy_first_ms', now - tonumber(patience) - LONGEST_LATER_MS)
elseif is_deletion(entry) then
  if outcome == 'deleted' then forgive() end
  local is_listed, what = redis.call('ZREM', list, entry) == 1, string.match(entry, '^delete|(.*)$')
  if outcome == 'deleted' and is_listed and what then redis.call('ZADD', list, now + LATE_MS, 'again|' .. what) end
else
  if outcome == 'copied' then forgive() end
  end_copy(entry, tenant, outcome, detail, now)
end
if slow_ms == '0' then redis.call('HDEL', state, 'slow_ms') else redis.call('HSET', state, 'slow_ms', slow_ms) end
redis.call('PEXPIRE', state, COPY_STATE_KEPT_MS)
schedule_copies(tenant, now)
return is_given_up and 2 or 1
