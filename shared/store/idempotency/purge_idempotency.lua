-- Deletes Idempotency-Keys whose time is over (see begin_idempotent.lua).
-- ARGV: most at once
-- Returns the number of keys that were looked at.
-- needs: keys, steady, due
local now = now_ms()
return each_due(P .. 'idempotency_ends', now, ARGV[1], function(scope)
  local key = P .. 'idempotency:' .. scope
  -- A key that an earlier release wrote since then ends by itself.
  local ends = redis.call('HGET', key, 'ends_ms')
  if ends and tonumber(ends) <= now then redis.call('DEL', key) end
  redis.call('ZREM', P .. 'idempotency_ends', scope)
end)
