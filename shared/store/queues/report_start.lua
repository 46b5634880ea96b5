-- Records how far the start of a worker is, or that it has started.
-- ARGV: worker, progress (JSON text, shared/schedule/starting_worker.py; '' once the worker is ready or has given up).
-- Returns 1.

-- needs: keys, clock
local worker, progress = unpack(ARGV)
if progress == '' then
  redis.call('HDEL', P .. 'starting', worker)
else
  redis.call('HSET', P .. 'starting', worker, string.format('%.0f', now_ms()) .. '|' .. progress)
  redis.call('PEXPIRE', P .. 'starting', 60000)
end
return 1
