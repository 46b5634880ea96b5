-- Forgets batches that ended long ago. Their pictures and files stay; what else the object store keeps of them is upkeep's
-- to delete, until when they are named in
--   gridpress:batch_ends    zset  batches that are over by when they ended (ms)
--   gridpress:batch_doomed  set   batches that are forgotten
-- ARGV: retention (ms), most at once
-- Returns forgotten batches of which something may be left.
local since = now_ms() - tonumber(ARGV[1])
for _, batch in ipairs(redis.call('ZRANGEBYSCORE', P .. 'batch_ends', '-inf', since, 'LIMIT', 0, ARGV[2])) do
  local tenant = redis.call('HGET', P .. 'batch:' .. batch, 'tenant')
  if tenant then redis.call('ZREM', P .. 'batches:' .. tenant, batch) end
  for _, kind in ipairs({ 'batch', 'batch_lines', 'batch_ended', 'batch_segments' }) do
    redis.call('DEL', P .. kind .. ':' .. batch)
  end
  redis.call('ZREM', P .. 'batch_ends', batch)
  redis.call('SADD', P .. 'batch_doomed', batch)
end
return redis.call('SRANDMEMBER', P .. 'batch_doomed', ARGV[2])
