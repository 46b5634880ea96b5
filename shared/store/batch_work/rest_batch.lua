-- Gives a batch back until there is something to do for it: at the latest after the delay, or when its time is over. Every
-- step ends here but the last, so it is here that progress is told.
-- ARGV: batch, holder, delay (ms), why nothing is released ('' unless it could be), 1 when its lines wait for pictures, else 0
-- Returns 1, or 0 when the lease was lost.
-- needs: keys, steady, batch, batch_cost, batch_order, lines
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
if is_slow == '1' or num_waiting_lines(batch) == 0 then stir_next(batch, now) end
note_rate(batch, now)
report_progress(batch, now)
if redis.call('EXISTS', P .. 'batch_ended:' .. batch) == 1 then stir_batch(batch, now) end
return 1
