-- The lines of a batch were looked at, now or when it was created: work on it begins.
-- ARGV: batch, holder, states of the lines, number of lines that are requests, of bad ones, segments with their results
-- (JSON list of JSON), cost of the others (JSON, see batch_cost.lua; '' where it is known)
-- Returns 1, or 0 when the lease was lost.
-- needs: keys, steady, batch, batch_cost, lines
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
tell_of_batch(batch)
return 1
