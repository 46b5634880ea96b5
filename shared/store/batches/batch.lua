-- What several scripts of batches need.
-- needs: keys, batch_order, file, lines, outbox

local function is_holder(batch, holder)
  return redis.call('HGET', P .. 'batch:' .. batch, 'holder') == holder
end

-- Its tenant, and what is told of it.
local function story_of(batch)
  local known = redis.call('HMGET', P .. 'batch:' .. batch, 'tenant', 'status', 'total', 'completed', 'failed')
  return known[1], cjson.encode({ id = batch, object = 'batch', status = known[2], request_counts = {
    total = tonumber(known[3]), completed = tonumber(known[4]), failed = tonumber(known[5]) } })
end

-- Once a second at most, and only what is new. A batch may run for days, so the last two reports are kept and no more; none
-- goes to where the one before still waits.
local function report_progress(batch, now)
  local key = P .. 'batch:' .. batch
  local tenant, data = story_of(batch)
  local known = redis.call('HMGET', key, 'reported', 'reported_ms', 'num_reports', 'status')
  if known[4] == 'validating' or known[1] == data or now - tonumber(known[2] or 0) < 1000 then return end
  local num, type, is_told = tonumber(known[3] or 0), 'batch.progress', false
  local before, message = message_of(batch, type, num), message_of(batch, type, num + 1)
  for _, destination in ipairs(audience(tenant, type, '', batch)) do
    if not redis.call('ZSCORE', P .. 'due:' .. destination, before) then
      write_message(message, tenant, type, '', now, data)
      deliver(message, destination, now)
      is_told = true
    end
  end
  if not is_told then return end
  redis.call('HSET', key, 'reported', data, 'reported_ms', now, 'num_reports', num + 1)
  forget_message(message_of(batch, type, num - 1), tenant)
end

-- A batch is over: it is taken out of the work, and whoever wants to hear of it will.
local function end_batch(batch, status, now)
  local key = P .. 'batch:' .. batch
  redis.call('HSET', key, 'status', status, status .. '_ms', now)
  redis.call('HDEL', key, 'holder', 'paused', 'waiting_for', 'target', 'is_behind', 'is_slow', 'num_ranked')
  redis.call('ZREM', P .. 'batch_work', batch)
  leave_order(batch)
  local known = redis.call('HMGET', key, 'round', 'delete_after_ms')
  if known[2] then
    redis.call('ZADD', P .. 'batch_expiries', now + tonumber(known[2]), batch)
  else
    redis.call('ZADD', P .. 'batch_ends', now, batch)
  end
  local tenant, data = story_of(batch)
  local type = 'batch.' .. status
  announce(tenant, message_of(batch, type, known[1] ~= '0' and known[1] or nil), type, '', now, data, batch)
  tell_of_batch(batch)
end

-- Takes one that is over out of the store; its objects are upkeep's to delete.
local function forget_batch(batch)
  local tenant = redis.call('HGET', P .. 'batch:' .. batch, 'tenant')
  if tenant then redis.call('ZREM', P .. 'batches:' .. tenant, batch) end
  for _, kind in ipairs({ 'batch', 'batch_lines', 'batch_ended', 'batch_segments' }) do
    redis.call('DEL', P .. kind .. ':' .. batch)
  end
  redis.call('ZREM', P .. 'batch_ends', batch)
  redis.call('ZREM', P .. 'batch_expiries', batch)
end

-- The same with all that it brought: its files at once; its jobs and their pictures are upkeep's to delete, twice, since a
-- worker that lost its lease may have been storing one more.
local function delete_batch(batch, now)
  local LATE_MS = 600000
  local known = redis.call('HMGET', P .. 'batch:' .. batch, 'tenant', 'output_file', 'error_file')
  for i = 2, 3 do
    if known[i] and known[i] ~= '' then delete_file(known[i], known[1]) end
  end
  local entry = batch .. '|' .. known[1]
  redis.call('ZADD', P .. 'batch_deleted', now, entry, now + LATE_MS, entry .. '|again')
  forget_batch(batch)
end

-- Appends segments, or puts the first in place of the last. Each is JSON.
local function add_segments(batch, segments, is_replacing)
  local key = P .. 'batch_segments:' .. batch
  for i, segment in ipairs(segments) do
    if i == 1 and is_replacing then redis.call('LSET', key, -1, segment) else redis.call('RPUSH', key, segment) end
  end
end
