-- Extends the lease of a batch.
-- ARGV: batch, holder of its lease, length of the lease from now (ms).
-- Returns 1, or 0 when the lease was lost.

-- needs: keys, clock, batch
local batch, holder, lease = unpack(ARGV)
if not is_holder(batch, holder) then return 0 end
redis.call('ZADD', P .. 'batch_work', now_ms() + tonumber(lease), batch)
return 1
