-- Leases the batch that has waited longest; finds nothing when none is due.
-- ARGV: holder, lease (ms), renders that a batch keeps open beyond the slots of live workers
-- Returns the batch, or ''.
local holder, lease, spare = unpack(ARGV)
local now = now_ms()
local batch = redis.call('ZRANGEBYSCORE', P .. 'batch_work', '-inf', now, 'LIMIT', 0, 1)[1]
if not batch then return '' end
local key = P .. 'batch:' .. batch
redis.call('ZADD', P .. 'batch_work', now + tonumber(lease), batch)
local target = 2 * (live_slots('ar', now) + live_slots('dit', now)) + tonumber(spare)
redis.call('HSET', key, 'holder', holder, 'target', target)
note_duty(holder, 'b|' .. batch)
local known = redis.call('HMGET', key, 'end', 'expires_ms', 'status')
if known[1] == 'completed' and known[3] == 'in_progress' and tonumber(known[2]) <= now then
  redis.call('HSET', key, 'end', 'expired', 'status', 'finalizing', 'finalizing_ms', now)
end
return batch
