-- Forgets a batch that is over, with all that it brought (see batch.lua).
-- ARGV: batch, tenant
-- Returns 1; 0 when there is no such batch; 2 when it is not over.
-- needs: keys, steady, batch, batch_order
local batch, tenant = unpack(ARGV)
local known = redis.call('HMGET', P .. 'batch:' .. batch, 'tenant', 'status')
if known[1] ~= tenant then return 0 end
if not OVER[known[2]] then return 2 end
delete_batch(batch, now_ms())
return 1
