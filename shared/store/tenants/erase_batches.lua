-- Deletes batches of a tenant, whatever their status. A worker that holds a lease on one of them loses it.
-- ARGV: tenant, maximum number of batches.
-- Returns the number of deleted batches.

-- needs: keys, clock, batch, batch_order, lines
local tenant, most = ARGV[1], tonumber(ARGV[2])
local batches = redis.call('ZRANGE', P .. 'batches:' .. tenant, 0, most - 1)
for _, batch in ipairs(batches) do
  leave_order(batch)
  redis.call('ZREM', P .. 'batch_work', batch)
  if redis.call('HGET', P .. 'batch:' .. batch, 'tenant') == tenant then
    delete_batch(batch, now_ms())
  else
    delete_batch_records(batch)
    redis.call('ZREM', P .. 'batches:' .. tenant, batch)
  end
  notify_batch_change(batch)
end
return #batches
