-- Ends a try to copy a job or batch into the bucket of its tenant, or to delete a copy. Changes nothing if the lease was lost.
-- ARGV: entry of a list of copies.lua, tenant, holder of the lease, outcome, detail.
--   copied: detail is the location of the copies
--   deleted: the copies are deleted. They are deleted once more LATE_MS later
--   failed: it can never be copied; detail is the error
--   refused: the bucket refused or hung; detail is the error. The tenant's copies pause, longer after each failure
--   later: the service itself failed. It is tried again soon, and the time does not count for the patience
-- Returns 1, or 0 when the lease was lost.

-- needs: keys, clock, copies
local FIRST_PAUSE_MS, LONGEST_PAUSE_MS, LATER_MS, LATE_MS = 2000, 300000, 5000, 600000
local entry, tenant, holder, outcome, detail = unpack(ARGV)
local leases, state, now = P .. 'copy_leases:' .. tenant, P .. 'copy_state:' .. tenant, now_ms()
local lease = redis.call('HGET', leases, entry)
if not lease or string.match(lease, '|(.*)$') ~= holder then return 0 end
redis.call('HDEL', leases, entry)

-- Records that the bucket refused. Returns the pause until the next try (ms).
local function strike()
  local strikes = redis.call('HINCRBY', state, 'strikes', 1)
  local pause = math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ^ math.min(strikes - 1, 10))
  redis.call('HSET', state, 'resumes_ms', string.format('%.0f', now + pause), 'error', detail)
  redis.call('HSETNX', state, 'failing_since_ms', now)
  redis.call('PEXPIRE', state, COPY_STATE_KEPT_MS)
  return pause
end

if outcome == 'refused' then
  redis.call('ZADD', copies_with(entry, tenant), 'XX', now + strike(), entry)
elseif outcome == 'later' then
  if not is_deletion(entry) then redis.call('HINCRBY', copied_record(entry), 'copy_since_ms', LATER_MS) end
  redis.call('ZADD', copies_with(entry, tenant), 'XX', now + LATER_MS, entry)
elseif outcome == 'deleted' then
  redis.call('DEL', state)
  redis.call('ZREM', copies_with(entry, tenant), entry)
  local what = string.match(entry, '^delete|(.*)$')
  if what then redis.call('ZADD', copies_with(entry, tenant), now + LATE_MS, 'again|' .. what) end
else
  if outcome == 'copied' then redis.call('DEL', state) end
  end_copy(entry, tenant, outcome, detail, now)
end
schedule_copies(tenant, now)
return 1
