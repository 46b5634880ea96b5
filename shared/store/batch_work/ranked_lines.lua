-- All jobs of a batch's lines have the rank of its place, unless that changed meanwhile.
-- ARGV: batch, holder, the number of the change
-- Returns 1, or 0 when the lease was lost.
-- needs: keys, batch
local batch, holder, num = unpack(ARGV)
if not is_holder(batch, holder) then return 0 end
local key = P .. 'batch:' .. batch
if redis.call('HGET', key, 'num_ranked') == num then redis.call('HDEL', key, 'num_ranked') end
return 1
