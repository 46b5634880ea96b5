-- Moves a batch to another place in the order of its tenant's batches (see batch_order.lua). A batch worker later gives
-- the new rank to the jobs of the batch (rank_lines.lua).
-- Arguments (ARGV):
--   1, 2: batch, tenant
--   3: spec (JSON), which may differ from the batch's spec in the class only
--   4 to 6: class, order (-1, 0 or 1), finish_by (ms) or ''
-- Returns 1; 0 when the tenant has no such batch; 2 when the batch has ended or creates no more jobs.

-- needs: keys, clock, batch_order, lines
local batch, tenant, spec, class, order, finish_by = unpack(ARGV)
local key, now = P .. 'batch:' .. batch, now_ms()
local known = redis.call('HMGET', key, 'tenant', 'status', 'end')
if known[1] ~= tenant then return 0 end
if OVER[known[2]] or known[3] ~= 'completed' then return 2 end
leave_order(batch)
redis.call('HSET', key, 'spec', spec, 'class', class, 'order', order)
redis.call('HINCRBY', key, 'num_ranked', 1)
if finish_by == '' then
  redis.call('HDEL', key, 'finish_by_ms')
else
  redis.call('HSET', key, 'finish_by_ms', finish_by)
end
update_order(batch)
if redis.call('HEXISTS', key, 'holder') == 0 then redis.call('ZADD', P .. 'batch_work', now, batch) end
make_next_batch_due(batch, now)
notify_batch_change(batch)
return 1
