-- What several scripts of batches need.

local OVER = { failed = true, completed = true, expired = true, cancelled = true }

local function is_holder(batch, holder)
  return redis.call('HGET', P .. 'batch:' .. batch, 'holder') == holder
end

-- A batch is over: it is taken out of the work, and whoever wants to hear of it will.
local function end_batch(batch, status, now)
  local key = P .. 'batch:' .. batch
  redis.call('HSET', key, 'status', status, status .. '_ms', now)
  redis.call('HDEL', key, 'holder', 'paused', 'waiting_for', 'target')
  redis.call('ZREM', P .. 'batch_work', batch)
  redis.call('ZADD', P .. 'batch_ends', now, batch)
  local known = redis.call('HMGET', key, 'tenant', 'total', 'completed', 'failed', 'round')
  local data = cjson.encode({ id = batch, object = 'batch', status = status, request_counts = {
    total = tonumber(known[2]), completed = tonumber(known[3]), failed = tonumber(known[4]) } })
  local type = 'batch.' .. status
  announce(known[1], message_of(batch, type, known[5] ~= '0' and known[5] or nil), type, '', now, data)
end

-- Appends segments, or puts the first in place of the last. Each is JSON.
local function add_segments(batch, segments, is_replacing)
  local key = P .. 'batch_segments:' .. batch
  for i, segment in ipairs(segments) do
    if i == 1 and is_replacing then redis.call('LSET', key, -1, segment) else redis.call('RPUSH', key, segment) end
  end
end
