-- Records that all jobs of a batch have the rank (the number by which waiting renders are ordered) that follows from
-- the batch's new place among its tenant's batches. If the batch was moved once more meanwhile, records nothing.
-- ARGV: batch, holder of its lease, number of the move (`num_ranked` of the batch).
-- Returns 1, or 0 when the lease was lost.

-- needs: keys, batch
local batch, holder, num = unpack(ARGV)
if not is_holder(batch, holder) then return 0 end
local key = P .. 'batch:' .. batch
if redis.call('HGET', key, 'num_ranked') == num then redis.call('HDEL', key, 'num_ranked') end
return 1
