-- Takes files whose time is over out of everybody's sight. They stay due until their bytes are gone.
-- ARGV: most at once
-- Returns the ids of files whose bytes are to be deleted.
-- needs: keys, steady
local due = redis.call('ZRANGEBYSCORE', P .. 'file_ends', '-inf', now_ms(), 'LIMIT', 0, ARGV[1])
for _, file in ipairs(due) do
  local known = redis.call('HMGET', P .. 'file:' .. file, 'tenant', 'purpose')
  if known[2] then
    redis.call('ZREM', P .. 'files:' .. known[1], file)
    redis.call('ZREM', P .. 'files:' .. known[1] .. ':' .. known[2], file)
  end
  redis.call('DEL', P .. 'file:' .. file)
end
return due
