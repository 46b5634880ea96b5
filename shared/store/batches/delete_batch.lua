-- Deletes a batch that has ended, with its files, jobs and pictures (see batch.lua).
-- ARGV: batch, tenant.
-- Returns 1; 0 when the tenant has no such batch; 2 when the batch has not ended.

-- needs: keys, clock, batch, batch_order
local batch, tenant = unpack(ARGV)
local known = redis.call('HMGET', P .. 'batch:' .. batch, 'tenant', 'status')
if known[1] ~= tenant then return 0 end
if not OVER[known[2]] then return 2 end
delete_batch(batch, now_ms())
return 1
