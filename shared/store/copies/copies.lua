-- Functions that make the copy of a job or batch in the bucket of its tenant due, end it and drop it. The webhook
-- message about the end of the job or batch is sent when the copy has ended. Deletions of copies wait in a list of their
-- own. They share the leases and pauses of the tenant's copies, and are never given up while the tenant has the bucket.
--   gridpress:buckets                hash  tenant -> its bucket (JSON, see buckets.py)
--   gridpress:copies:<tenant>        zset  jobs and batches to copy, by due time
--   gridpress:copy_deletions:<tenant>  zset  copies to delete, by due time: `delete|` and then the job, or the batch, or
--                                          the batch, `|`, the number of pictures of a line, `|` and its custom_id.
--                                          After the deletion `again|` replaces `delete|`, for what a late worker wrote
--   gridpress:copy_leases:<tenant>   hash  entry of these lists -> end of the lease (ms), `|`, holder
--   gridpress:copy_tenants           zset  tenants by the time of the next look at their copies
--   gridpress:copy_state:<tenant>    hash  strikes (failures in a row), resumes_ms, error, failing_since_ms
-- Fields of the job or batch: copy (pending, copied or failed), copy_since_ms, copy_error, copied_to; of the job of a
-- batch line: copy_batch, copy_note. Field of the batch: copies_left (jobs of its lines that are still to be copied).

-- needs: keys, batch_messages, clock, fields, outbox, settle
local COPY_STATE_KEPT_MS = 86400000
local NEXT_LOOK_MS = 1000 -- while all that is due is leased
local COPY_FIELDS = { 'copy', 'copy_since_ms', 'copy_error', 'copied_to', 'copy_batch', 'copy_note' }

local function copied_record(entry)
  return P .. (string.sub(entry, 1, 6) == 'batch_' and 'batch:' or 'job:') .. entry
end

local function is_deletion(entry)
  return string.sub(entry, 1, 7) == 'delete|' or string.sub(entry, 1, 6) == 'again|'
end

-- Returns the list in which an entry waits.
local function copies_with(entry, tenant)
  return P .. (is_deletion(entry) and 'copy_deletions:' or 'copies:') .. tenant
end

-- Returns the earliest due time of an entry of a list that nobody has leased, or nil.
local function first_due(list, leases, num)
  local first = redis.call('ZRANGE', list, 0, num, 'WITHSCORES')
  for i = 1, #first, 2 do
    if redis.call('HEXISTS', leases, first[i]) == 0 then return tonumber(first[i + 1]) end
  end
end

-- Sets the time at which a claim should look at the copies of a tenant. A tenant that was just served goes to the end.
local function schedule_copies(tenant, now, is_full)
  local leases = P .. 'copy_leases:' .. tenant
  local num = redis.call('HLEN', leases)
  local at = first_due(P .. 'copies:' .. tenant, leases, num)
  local deletion_at = first_due(P .. 'copy_deletions:' .. tenant, leases, num)
  if deletion_at and (not at or deletion_at < at) then at = deletion_at end
  if not at and num == 0 then return redis.call('ZREM', P .. 'copy_tenants', tenant) end
  if is_full or not at then at = now + NEXT_LOOK_MS end
  local resumes = tonumber(redis.call('HGET', P .. 'copy_state:' .. tenant, 'resumes_ms') or 0)
  redis.call('ZADD', P .. 'copy_tenants', math.max(at, resumes, now), tenant)
end

-- Makes the deletion of a copy due at a time (ms), if the tenant has a bucket. `what` says which copy, as above.
local function delete_copy(what, tenant, at)
  if redis.call('HEXISTS', P .. 'buckets', tenant) == 0 then return end
  redis.call('ZADD', P .. 'copy_deletions:' .. tenant, at, 'delete|' .. what)
  schedule_copies(tenant, now_ms())
end

-- Makes the deletion of the copy of a job with `n` renders due at a time (ms), if there is a copy.
local function delete_copy_of_job(job, tenant, n, at)
  local known = redis.call('HMGET', P .. 'job:' .. job, 'copy', 'copy_batch', 'copy_note')
  if not known[1] then return end
  local is_read, note = pcall(cjson.decode, known[3] or '')
  local custom_id = known[2] and is_read and note.custom_id
  delete_copy(custom_id and known[2] .. '|' .. n .. '|' .. custom_id or job, tenant, at)
end

-- Makes the copy of a job or batch due.
local function queue_copy(entry, tenant, now)
  redis.call('HSET', copied_record(entry), 'copy', 'pending', 'copy_since_ms', now)
  redis.call('HDEL', copied_record(entry), 'copy_error', 'copied_to')
  redis.call('ZADD', P .. 'copies:' .. tenant, now, entry)
  schedule_copies(tenant, now)
end

-- Makes the copy of an ended job due, if it has pictures and its tenant a bucket. Returns whether it does, so that the
-- webhook message waits. `known` has the fields num_succeeded, batch and note of the job.
local function hold_for_copy(job, tenant, known, now)
  if tonumber(known.num_succeeded or 0) == 0 then return false end
  if redis.call('HEXISTS', P .. 'buckets', tenant) == 0 then return false end
  if known.batch then
    redis.call('HSET', P .. 'job:' .. job, 'copy_batch', known.batch, 'copy_note', known.note or '')
    redis.call('HINCRBY', P .. 'batch:' .. known.batch, 'copies_left', 1)
  end
  queue_copy(job, tenant, now)
  return true
end

-- Makes the copy of an ended batch due, if it has results and its tenant a bucket. Returns whether it does.
local function hold_batch_for_copy(batch, now)
  local known = fields_of(P .. 'batch:' .. batch, 'tenant', 'output_file', 'error_file', 'copies_left')
  local has_files = (known.output_file or '') .. (known.error_file or '') ~= ''
  if not has_files and tonumber(known.copies_left or 0) == 0 then return false end
  if redis.call('HEXISTS', P .. 'buckets', known.tenant) == 0 then return false end
  queue_copy(batch, known.tenant, now)
  return true
end

-- Takes a job or batch out of the copies. A worker that is copying it finds later that its lease was lost.
local function leave_copies(entry, tenant, now)
  redis.call('HDEL', P .. 'copy_leases:' .. tenant, entry)
  if redis.call('ZREM', P .. 'copies:' .. tenant, entry) == 0 then return false end
  local batch = redis.call('HGET', copied_record(entry), 'copy_batch')
  if batch and redis.call('EXISTS', P .. 'batch:' .. batch) == 1 then
    redis.call('HINCRBY', P .. 'batch:' .. batch, 'copies_left', -1)
  end
  schedule_copies(tenant, now)
  return true
end

-- Takes a job or batch that is deleted or retried out of the copies, with all that is known of its copy.
local function drop_copy(entry, tenant)
  if redis.call('HEXISTS', copied_record(entry), 'copy') == 0 then return end
  leave_copies(entry, tenant, now_ms())
  redis.call('HDEL', copied_record(entry), unpack(COPY_FIELDS))
end

-- Sends the webhook message about the end of a job. Its manifest is written again, with the outcome of the copy.
local function send_end_of_job(job, tenant, now)
  local known = fields_of(P .. 'job:' .. job, 'status', 'revivals', 'webhook_url', 'webhook_events', 'copy_batch')
  if not known.status then return end
  known.batch = known.copy_batch
  if not known.batch then redis.call('ZADD', P .. 'manifests', now, job) end
  local type = 'job.' .. known.status
  emit_message(tenant, message_of(job, type, known.revivals), type, job, now, '', known)
  if known.status == 'succeeded' then settle_job(job) end
end

-- Ends the copy of a job or batch with the outcome `copied` or `failed`, and sends the webhook message that waited.
local function end_copy(entry, tenant, outcome, detail, now)
  local key = copied_record(entry)
  leave_copies(entry, tenant, now)
  if redis.call('HGET', key, 'copy') ~= 'pending' then return end
  redis.call('HSET', key, 'copy', outcome, outcome == 'copied' and 'copied_to' or 'copy_error', detail)
  if string.sub(entry, 1, 6) == 'batch_' then
    send_end_of_batch(entry, now)
  else
    send_end_of_job(entry, tenant, now)
  end
end
