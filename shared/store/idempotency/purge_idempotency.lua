-- Deletes expired Idempotency-Keys (see begin_idempotent.lua).
-- ARGV: maximum number of keys.
-- Returns the number of keys that were due.

-- needs: keys, clock, due
local now = now_ms()
return each_due(P .. 'idempotency_ends', now, ARGV[1], function(scope)
  local key = P .. 'idempotency:' .. scope
  -- A key that an earlier version of Gridpress wrote meanwhile has no ends_ms: the store expires it by itself.
  local ends = redis.call('HGET', key, 'ends_ms')
  if ends and tonumber(ends) <= now then redis.call('DEL', key) end
  redis.call('ZREM', P .. 'idempotency_ends', scope)
end)
