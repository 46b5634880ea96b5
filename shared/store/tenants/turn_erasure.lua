-- Moves an erasure to its next phase. Upkeep calls this when it finds nothing more to delete in the current phase.
-- A worker that has lost its lease may store one more object, so the phase `settling` comes before the last search.
-- The erasure ends only when no deletion of an object is overdue.
-- ARGV: tenant, length of the phase `settling` (ms).
-- Returns the phase, or 'done' when nothing of the tenant is left.

-- needs: keys, clock
local PATIENCE_MS = 60000
local tenant, late = unpack(ARGV)
local key, now = P .. 'erasure:' .. tenant, now_ms()
local known = redis.call('HMGET', key, 'phase', 'until_ms')

-- Returns whether an object has waited for its deletion for a minute. It may be one of the tenant.
local function has_due_objects()
  for _, list in ipairs({ 'doomed', 'batch_deleted', 'file_ends', 'inputs_doomed', 'handovers' }) do
    if redis.call('ZCOUNT', P .. list, '-inf', now - PATIENCE_MS) > 0 then return true end
  end
  return false
end

if known[1] == 'deleting' then
  redis.call('HSET', key, 'phase', 'settling', 'until_ms', now + tonumber(late))
  return 'settling'
end
if known[1] == 'settling' then
  if now < tonumber(known[2]) then return 'settling' end
  redis.call('HSET', key, 'phase', 'finishing')
  return 'finishing'
end
if known[1] and has_due_objects() then
  redis.call('HSET', key, 'phase', 'settling', 'until_ms', now + PATIENCE_MS)
  return 'settling'
end
redis.call('DEL', key)
redis.call('SREM', P .. 'erasing', tenant)
return 'done'
