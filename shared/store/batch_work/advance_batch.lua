-- Commits one step of a batch as a whole: the segments with new results, and the position in the input.
-- ARGV: batch, holder, next line and its offset, lines that ended without a job ('12:i 14:i'), segments (JSON list of
-- JSON), whether the first segment replaces the last stored one ('1'), how long the jobs stay in the store (ms), retention
-- of jobs (ms), then per job whose result was stored: job, its number of retries when its result was read ('' for none)
-- Returns 1; 0 when the lease was lost; 2, without any change, when such a job was retried meanwhile.
-- needs: keys, steady, batch, lines
local batch, holder, line, offset, ended, segments, is_replacing, stay, retention = unpack(ARGV, 1, 9)
if not is_holder(batch, holder) then return 0 end
local key, now = P .. 'batch:' .. batch, now_ms()
for i = 10, #ARGV, 2 do
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
for i = 10, #ARGV, 2 do
  redis.call('LREM', P .. 'batch_ended:' .. batch, 1, ARGV[i])
  redis.call('HDEL', P .. 'job:' .. ARGV[i], 'batch', 'line', 'note')
  redis.call('ZADD', P .. 'finished', 'XX', 'LT', now - tonumber(retention) + tonumber(stay), ARGV[i])
end
tell_of_batch(batch)
return 1
