-- Leases the batch that has been due for the longest time. The script also computes how many open renders (released and
-- not ended) the batch should have: two for each slot of the live workers and `spare` more, minus the open renders and
-- waiting lines of the tenant's batches that come before it. A batch whose record can't be read is set aside, which
-- takes it out of the queue.
-- ARGV: holder, lease (ms), spare.
-- Returns the batch, or '' when none is due.

-- needs: keys, clock, aside, batch_order, duties, workers
local holder, lease, spare = unpack(ARGV)
local BATCH = { 'tenant', is_text, 'status', is_text, 'end', is_text, 'expires_ms', is_number,
  'renders', is_whole }
local now = now_ms()

-- Returns the first due batch with a readable record, and the record. Sets aside batches with unreadable records.
local function first_readable()
  for _ = 1, MOST_ASIDE do
    local batch = redis.call('ZRANGEBYSCORE', P .. 'batch_work', '-inf', now, 'LIMIT', 0, 1)[1]
    if not batch then return nil end
    local known, why = read_record(P .. 'batch:' .. batch, BATCH)
    if known then return batch, known end
    set_aside('batch_work', batch, 'batch_work', why)
  end
end

local batch, known = first_readable()
if not batch then return '' end
local key = P .. 'batch:' .. batch
redis.call('ZADD', P .. 'batch_work', now + tonumber(lease), batch)
update_order(batch)
local most = 2 * (live_slots('ar', now) + live_slots('dit', now)) + tonumber(spare)
local target = target_of(batch, most)
redis.call('HSET', key, 'holder', holder, 'target', target)
if target < most and target == 0 then
  redis.call('HSET', key, 'is_behind', 1)
else
  redis.call('HDEL', key, 'is_behind')
end
add_duty(holder, 'b|' .. batch)
if known['end'] == 'completed' and known.status == 'in_progress' and tonumber(known.expires_ms) <= now then
  redis.call('HSET', key, 'end', 'expired', 'status', 'finalizing', 'finalizing_ms', now)
  update_order(batch)
end
return batch
