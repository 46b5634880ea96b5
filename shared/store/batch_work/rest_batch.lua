-- Ends the lease of a batch after a step of work. The batch is due again after the delay, or earlier when a result can
-- be stored. Every step except the last one ends with this script. Therefore the script also sends the batch's webhook
-- message about its progress.
-- Arguments (ARGV):
--   1, 2: batch, holder of its lease
--   3: delay (ms)
--   4: the reason why no line can become a job now, or ''
--   5: 1 while the batch's lines wait for input images to be fetched, else 0
-- Returns 1, or 0 when the lease was lost.

-- needs: keys, clock, batch, batch_cost, batch_order, lines
local batch, holder, delay, waiting_for, is_slow = unpack(ARGV)
if not is_holder(batch, holder) then return 0 end
local key, now = P .. 'batch:' .. batch, now_ms()
redis.call('HDEL', key, 'holder')
if waiting_for == '' then
  redis.call('HDEL', key, 'waiting_for')
else
  redis.call('HSET', key, 'waiting_for', waiting_for)
end
if is_slow == '1' then redis.call('HSET', key, 'is_slow', 1) else redis.call('HDEL', key, 'is_slow') end
redis.call('ZADD', P .. 'batch_work', now + tonumber(delay), batch)
if is_slow == '1' or num_waiting_lines(batch) == 0 then make_next_batch_due(batch, now) end
sample_rate(batch, now)
emit_batch_progress(batch, now)
if redis.call('EXISTS', P .. 'batch_ended:' .. batch) == 1 then make_batch_due(batch, now) end
return 1
