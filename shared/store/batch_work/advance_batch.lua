-- Commits one step of work on a batch: the new segments (objects with results of lines), and the position in the input
-- file.
-- Arguments (ARGV):
--   1, 2: batch, holder of its lease
--   3, 4: the next line to read, and its byte offset
--   5: lines that ended without a job, with their states ('12:i 14:i')
--   6: segments (JSON list of JSON texts)
--   7: '1' if the first segment replaces the last stored one, else '0'
--   8: how long a job stays in the store after its result was stored in a segment (ms)
--   9: retention of jobs (ms)
--   10: bytes of the copies of pictures under the batch's `output_prefix`
--   then for each job whose result is in a segment: job, and the number of its retries when the result was read ('' for
--      none)
-- Returns 1; 0 when the lease was lost; 2, without any change, when one of these jobs was retried meanwhile.

-- needs: keys, clock, batch, lines, stored
local batch, holder, line, offset, ended, segments, is_replacing, stay, retention, copied = unpack(ARGV, 1, 10)
if not is_holder(batch, holder) then return 0 end
local key, now = P .. 'batch:' .. batch, now_ms()
for i = 11, #ARGV, 2 do
  local known = redis.call('HMGET', P .. 'job:' .. ARGV[i], 'line', 'revivals')
  local is_open = known[1] and redis.call('GETRANGE', P .. 'batch_lines:' .. batch, known[1], known[1]) == 'o'
  if is_open or (known[2] or '') ~= ARGV[i + 1] then return 2 end
end
redis.call('HSET', key, 'line', line, 'offset', offset)
for at, state in string.gmatch(ended, '(%d+):(%S)') do
  if redis.call('GETRANGE', P .. 'batch_lines:' .. batch, at, at) == 'w' then
    redis.call('SETRANGE', P .. 'batch_lines:' .. batch, at, state)
    redis.call('HINCRBY', key, 'failed', 1)
  end
end
add_segments(batch, cjson.decode(segments), is_replacing == '1')
if copied ~= '0' then -- they are subtracted with the records of the batch
  redis.call('HINCRBY', key, 'stored', copied)
  count_stored(redis.call('HGET', key, 'tenant'), copied)
end
for i = 11, #ARGV, 2 do
  redis.call('LREM', P .. 'batch_ended:' .. batch, 1, ARGV[i])
  redis.call('HDEL', P .. 'job:' .. ARGV[i], 'batch', 'line', 'note')
  if redis.call('EXISTS', P .. 'job:' .. ARGV[i]) == 1 then redis.call('HSET', P .. 'job:' .. ARGV[i], 'of_batch', batch) end
  redis.call('ZADD', P .. 'finished', 'XX', 'LT', now - tonumber(retention) + tonumber(stay), ARGV[i])
end
notify_batch_change(batch)
return 1
