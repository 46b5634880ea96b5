-- Leases the batch that has waited longest; finds nothing when none is due.
-- ARGV: holder, lease (ms), renders that a tenant's batches of one class keep open beyond the slots of live workers
-- Returns the batch, or ''.
-- needs: keys, steady, aside, batch_order, duties, workers
local holder, lease, spare = unpack(ARGV)
local BATCH = { { 'tenant', is_text }, { 'status', is_text }, { 'end', is_text }, { 'expires_ms', is_number },
  { 'renders', is_whole } }
local now = now_ms()

-- Returns the first batch that is due, and its record.
local function first_sound()
  for _ = 1, MOST_ASIDE do
    local batch = redis.call('ZRANGEBYSCORE', P .. 'batch_work', '-inf', now, 'LIMIT', 0, 1)[1]
    if not batch then return nil end
    local known, why = read_record(P .. 'batch:' .. batch, BATCH)
    if known then return batch, known end
    set_aside('batch_work', batch, 'batch_work', why)
  end
end

local batch, known = first_sound()
if not batch then return '' end
local key = P .. 'batch:' .. batch
redis.call('ZADD', P .. 'batch_work', now + tonumber(lease), batch)
stand(batch)
local most = 2 * (live_slots('ar', now) + live_slots('dit', now)) + tonumber(spare)
local target = target_of(batch, most)
redis.call('HSET', key, 'holder', holder, 'target', target)
if target < most and target == 0 then redis.call('HSET', key, 'is_behind', 1) else redis.call('HDEL', key, 'is_behind') end
note_duty(holder, 'b|' .. batch)
if known['end'] == 'completed' and known.status == 'in_progress' and tonumber(known.expires_ms) <= now then
  redis.call('HSET', key, 'end', 'expired', 'status', 'finalizing', 'finalizing_ms', now)
  stand(batch)
end
return batch
