-- Functions that several batch scripts use: check of the lease, webhook messages, end, deletion and segments of a
-- batch.

-- needs: keys, batch_messages, batch_order, copies, file, lines, outbox, stored

-- Returns whether the holder has the current lease of the batch.
local function is_holder(batch, holder)
  return redis.call('HGET', P .. 'batch:' .. batch, 'holder') == holder
end

-- Sends a `batch.progress` webhook message, at most once a second and only if the counts have changed. A batch may run
-- for days, so only the last two messages are kept. A receiver whose previous message is still due gets no new one.
local function emit_batch_progress(batch, now)
  local key = P .. 'batch:' .. batch
  local tenant, data, asked = webhook_data_of(batch)
  local known = redis.call('HMGET', key, 'reported', 'reported_ms', 'num_reports', 'status')
  if known[4] == 'validating' or known[1] == data or now - tonumber(known[2] or 0) < 1000 then return end
  local num, type, is_sent = tonumber(known[3] or 0), 'batch.progress', false
  local before, message = message_of(batch, type, num), message_of(batch, type, num + 1)
  for _, destination in ipairs(subscribed_destinations(tenant, type, asked)) do
    if not redis.call('ZSCORE', P .. 'due:' .. destination, before) then
      deliver(message, destination, now, tenant, write_message(message, tenant, type, '', now, data, { destination }))
      is_sent = true
    end
  end
  if not is_sent then return end
  redis.call('HSET', key, 'reported', data, 'reported_ms', now, 'num_reports', num + 1)
  delete_message(message_of(batch, type, num - 1), tenant)
end

-- Ends a batch with a final status: takes it out of the work and the order, starts its retention and sends a webhook
-- message. If its results are to be copied into the bucket of its tenant, the message waits for that.
local function end_batch(batch, status, now)
  local key = P .. 'batch:' .. batch
  redis.call('HSET', key, 'status', status, status .. '_ms', now)
  redis.call('HDEL', key, 'holder', 'paused', 'waiting_for', 'target', 'is_behind', 'is_slow', 'num_ranked')
  redis.call('ZREM', P .. 'batch_work', batch)
  leave_order(batch)
  local delete_after_ms = redis.call('HGET', key, 'delete_after_ms')
  if delete_after_ms then
    redis.call('ZADD', P .. 'batch_expiries', now + tonumber(delete_after_ms), batch)
  else
    redis.call('ZADD', P .. 'batch_ends', now, batch)
  end
  if not hold_batch_for_copy(batch, now) then send_end_of_batch(batch, now) end
  notify_batch_change(batch)
end

-- Deletes the records of a batch that has ended. Upkeep deletes the batch's objects later. Pictures of lines whose jobs
-- were purged, and copies under the batch's `output_prefix`, no longer count as stored by the tenant.
local function delete_batch_records(batch)
  local tenant, num_bytes = unpack(redis.call('HMGET', P .. 'batch:' .. batch, 'tenant', 'stored'))
  if tenant then redis.call('ZREM', P .. 'batches:' .. tenant, batch) end
  if tenant and num_bytes then count_stored(tenant, -num_bytes) end
  if tenant then drop_copy(batch, tenant) end
  for _, kind in ipairs({ 'batch', 'batch_lines', 'batch_ended', 'batch_segments' }) do
    redis.call('DEL', P .. kind .. ':' .. batch)
  end
  redis.call('ZREM', P .. 'batch_ends', batch)
  redis.call('ZREM', P .. 'batch_expiries', batch)
end

-- Returns the `output_prefix` of a batch by its spec (JSON), or '' for none.
local function output_prefix_of(spec)
  local is_read, found = pcall(cjson.decode, spec or '')
  local prefix = is_read and type(found) == 'table' and found.output_prefix
  return type(prefix) == 'string' and prefix or ''
end

-- Has upkeep delete the jobs and objects of a batch, twice: now and LATE_MS later. A worker that lost its lease may be
-- storing one more object in between. `prefix` is the `output_prefix` of the batch, or ''.
local function doom_batch(batch, tenant, prefix, now)
  local LATE_MS = 600000
  local now_entry, late_entry = batch .. '|' .. tenant, batch .. '|' .. tenant .. '|again'
  if prefix ~= '' then now_entry, late_entry = now_entry .. '||' .. prefix, late_entry .. '|' .. prefix end
  redis.call('ZADD', P .. 'batch_deleted', now, now_entry, now + LATE_MS, late_entry)
end

-- Deletes a batch with its files. Upkeep deletes the batch's jobs and pictures, and delivery the copies in the bucket of
-- its tenant.
local function delete_batch(batch, now)
  local known = redis.call('HMGET', P .. 'batch:' .. batch, 'tenant', 'output_file', 'error_file', 'spec')
  for i = 2, 3 do
    if known[i] and known[i] ~= '' then delete_file(known[i], known[1]) end
  end
  doom_batch(batch, known[1], output_prefix_of(known[4]), now)
  delete_batch_records(batch)
  delete_copy(batch, known[1], now)
end

-- Appends segments, each as JSON. With `is_replacing` the first one replaces the last stored segment.
local function add_segments(batch, segments, is_replacing)
  local key = P .. 'batch_segments:' .. batch
  for i, segment in ipairs(segments) do
    if i == 1 and is_replacing then redis.call('LSET', key, -1, segment) else redis.call('RPUSH', key, segment) end
  end
end
