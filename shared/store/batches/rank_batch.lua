-- Its owner gives a batch another place among the others (see batch_order.lua). A batch worker then gives it to the jobs of
-- those lines that are released already (rank_lines.lua).
-- ARGV: batch, tenant, spec (JSON; unchanged but for the class), class, order (-1, 0 or 1), finish_by (ms) or ''
-- Returns 1; 0 when there is no such batch; 2 when it is over.
-- needs: keys, steady, batch_order, lines
local batch, tenant, spec, class, order, finish_by = unpack(ARGV)
local key, now = P .. 'batch:' .. batch, now_ms()
local known = redis.call('HMGET', key, 'tenant', 'status', 'end')
if known[1] ~= tenant then return 0 end
if OVER[known[2]] or known[3] ~= 'completed' then return 2 end
leave_order(batch)
redis.call('HSET', key, 'spec', spec, 'class', class, 'order', order)
redis.call('HINCRBY', key, 'num_ranked', 1)
if finish_by == '' then redis.call('HDEL', key, 'finish_by_ms') else redis.call('HSET', key, 'finish_by_ms', finish_by) end
stand(batch)
if redis.call('HEXISTS', key, 'holder') == 0 then redis.call('ZADD', P .. 'batch_work', now, batch) end
stir_next(batch, now)
tell_of_batch(batch)
return 1
