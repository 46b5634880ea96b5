-- Creates a batch. A repeated call with the same id changes nothing. A batch that retries the failed lines of another
-- batch takes the states of the lines from that batch.
--   gridpress:batch:<batch>           hash    tenant, spec, status, end (the status in which it is to end), round
--                                             (number of retries), paused, waiting_for, errors, output_file,
--                                             error_file, times (ms), holder; num_lines; line, offset: where reading
--                                             the input file continues; number of lines by state: total, open,
--                                             completed, failed; renders: number of renders of the open lines; target:
--                                             number that should be open; webhook_url and webhook_events (JSON),
--                                             stored: bytes of pictures of purged jobs (delete_job.lua); num_reports, reported and reported_ms (see batch.lua); delete_after_ms:
--                                             counts from its end; origin (JSON); class, order, finish_by_ms, is_slow
--                                             and is_behind (see batch_order.lua); cost_..., todo_..., rate_... and
--                                             next_... (see batch_cost.lua); num_ranked: set while jobs of its lines
--                                             have the rank of its former place (rank_lines.lua)
--   gridpress:batch_lines:<batch>     string  one character for the state of each line, see shared/batches/batch.py
--   gridpress:batch_ended:<batch>     list    jobs of lines that ended and whose results are not stored yet
--   gridpress:batch_segments:<batch>  list    JSON: the objects that hold the results
--   gridpress:batches:<tenant>        zset    the tenant's batches, score 0: lexical order is order of creation
--   gridpress:events:<batch>          channel a message says that the batch has changed
--   gridpress:batch_ends, _expiries, _doomed, _deleted  see purge_batches.lua
--   gridpress:batch_work              zset    batches that have not ended, by the time at which work on them is due
--                                             (ms)
-- Arguments (ARGV):
--   1 to 3: batch, tenant, spec (JSON)
--   4: completion window (ms)
--   5: the batch whose failed lines are retried, or ''
--   6, 7: the batch's own webhook URL or '', its event types (JSON)
--   8: time from the batch's end to its deletion (ms), or '' for the tenant's default
--   9: origin (JSON), or ''
--   10 to 12: place in the tenant's order: class, order (-1, 0 or 1), finish_by (ms) or ''
-- Returns 1; 0 when there is no batch to retry; 2 when the batch to retry has no failed lines or has not ended; 3 while
-- the tenant's data is being erased.

-- needs: keys, clock, batch_cost, batch_order, erasing
local batch, tenant, spec, window, retried, webhook_url, webhook_events, delete_after, origin = unpack(ARGV, 1, 9)
local class, order, finish_by = unpack(ARGV, 10, 12)
local key, now = P .. 'batch:' .. batch, now_ms()
if redis.call('EXISTS', key) == 1 then return 1 end
if is_erasing(tenant) then return 3 end
local num_lines, num_waiting = 0, 0
if retried ~= '' then
  local known = redis.call('HMGET', P .. 'batch:' .. retried, 'tenant', 'status', 'num_lines')
  if known[1] ~= tenant then return 0 end
  if not OVER[known[2]] then return 2 end
  local lines = string.gsub(redis.call('GET', P .. 'batch_lines:' .. retried) or '', '[^fxc]', '-')
  lines, num_waiting = string.gsub(lines, '[fxc]', 'w')
  if num_waiting == 0 then return 2 end
  num_lines = known[3]
  redis.call('SET', P .. 'batch_lines:' .. batch, lines)
end
redis.call('HSET', key, 'tenant', tenant, 'spec', spec, 'status', 'validating', 'end', 'completed', 'round', 0,
  'num_lines', num_lines, 'line', 0, 'offset', 0, 'total', num_waiting, 'open', 0, 'renders', 0, 'completed', 0,
  'failed', 0, 'origin', origin, 'class', class, 'order', order, 'created_ms', now,
  'expires_ms', now + tonumber(window))
if finish_by ~= '' then redis.call('HSET', key, 'finish_by_ms', finish_by) end
if retried ~= '' then
  local cost = scaled_cost(retried, num_waiting)
  if cost then set_cost(batch, cost) end
end
if webhook_url ~= '' then redis.call('HSET', key, 'webhook_url', webhook_url, 'webhook_events', webhook_events) end
if delete_after == '' then delete_after = redis.call('GET', P .. 'delete_after:' .. tenant) or '' end
if delete_after ~= '' then redis.call('HSET', key, 'delete_after_ms', delete_after) end
redis.call('ZADD', P .. 'batches:' .. tenant, 0, batch)
redis.call('ZADD', P .. 'batch_work', now, batch)
update_order(batch)
return 1
