-- Ends the validation of a batch and starts it. The states of the lines are stored, unless the batch retries another
-- batch: then they exist already.
-- Arguments (ARGV):
--   1, 2: batch, holder of its lease
--   3: states of the lines, one character each
--   4, 5: number of lines that are requests, number of invalid lines
--   6: segments (objects with results of lines): those with the results of the invalid lines (JSON list of JSON texts)
--   7: cost of the valid lines (JSON, see batch_cost.lua), or '' if it is stored already
-- Returns 1, or 0 when the lease was lost.

-- needs: keys, clock, batch, batch_cost, lines
local batch, holder, lines, total, num_bad, segments, cost = unpack(ARGV)
local key, now = P .. 'batch:' .. batch, now_ms()
if not is_holder(batch, holder) then return 0 end
if redis.call('EXISTS', P .. 'batch_lines:' .. batch) == 0 then
  redis.call('SET', P .. 'batch_lines:' .. batch, lines)
  add_segments(batch, cjson.decode(segments), false)
  redis.call('HSET', key, 'num_lines', #lines, 'total', total, 'failed', num_bad)
  if cost and cost ~= '' then set_cost(batch, cjson.decode(cost)) end
end
if redis.call('HGET', key, 'status') == 'validating' then
  redis.call('HSET', key, 'status', 'in_progress', 'in_progress_ms', now)
end
notify_batch_change(batch)
return 1
