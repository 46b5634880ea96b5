-- Changes a batch to `finalizing` once every line has its result, so that its output files can be written.
-- ARGV: batch, holder of its lease.
-- Returns 1; 0 when the lease was lost or some line has no stored result yet.

-- needs: keys, clock, batch, lines
local batch, holder = unpack(ARGV)
local key = P .. 'batch:' .. batch
local known = redis.call('HMGET', key, 'status', 'line', 'num_lines', 'open')
local is_done = tonumber(known[2]) >= tonumber(known[3]) and known[4] == '0'
  and redis.call('EXISTS', P .. 'batch_ended:' .. batch) == 0
if not is_holder(batch, holder) or not is_done then return 0 end
if known[1] == 'in_progress' then
  redis.call('HSET', key, 'status', 'finalizing', 'finalizing_ms', now_ms())
  redis.call('HDEL', key, 'paused')
  notify_batch_change(batch)
end
return 1
