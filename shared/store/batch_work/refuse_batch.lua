-- Fails a batch because its input file is not a valid batch file.
-- ARGV: batch, holder of its lease, errors (JSON).
-- Returns 1, or 0 when the lease was lost.

-- needs: keys, clock, batch
local batch, holder, errors = unpack(ARGV)
if not is_holder(batch, holder) then return 0 end
redis.call('HSET', P .. 'batch:' .. batch, 'errors', errors)
end_batch(batch, 'failed', now_ms())
return 1
