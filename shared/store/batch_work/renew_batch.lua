-- Prolongs the lease of a batch.
-- ARGV: batch, holder, lease (ms)
-- Returns 1, or 0 when the lease was lost.
-- needs: keys, steady, batch
local batch, holder, lease = unpack(ARGV)
if not is_holder(batch, holder) then return 0 end
redis.call('ZADD', P .. 'batch_work', now_ms() + tonumber(lease), batch)
return 1
