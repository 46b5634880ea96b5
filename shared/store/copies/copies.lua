-- Functions that make the copy of a job or batch in the bucket of its tenant due, end it and drop it. The webhook
-- message about the end of the job or batch is sent when the copy has ended. Deletions of copies wait in a list of their
-- own. They share the leases of the tenant's copies, have pauses of their own, and are never given up while the tenant has
-- the bucket.
--   gridpress:buckets                hash  tenant -> its bucket (JSON, see buckets.py)
--   gridpress:copies:<tenant>        zset  jobs and batches to copy, by due time
--   gridpress:copy_deletions:<tenant>  zset  copies to delete, by due time: `delete|` and then the job, or the batch, or
--                                          the batch, `|`, the number of pictures of a line, `|` and its custom_id.
--                                          After the deletion `again|` replaces `delete|`, for what a late worker wrote
--   gridpress:copy_leases:<tenant>   hash  entry of these lists -> end of the lease (ms), `|`, holder
--   gridpress:copy_tenants           zset  tenants by the time of the next look at their copies
--   gridpress:copy_state:<tenant>    hash  strikes (failures in a row), resumes_ms, error, failing_since_ms of copies; the same
--                                          of deletions after `delete_`; slow_ms (mean of a request, if the bucket is slow),
--                                          slow_since_ms
-- Fields of the job or batch: copy (pending, copied or failed), copy_since_ms (when its copy was made due; later, if the
-- service itself failed), copy_later_ms (when the service itself first failed to copy it), copy_refused_ms (when the bucket
-- first refused it), copy_lapses (tries whose worker ended), copy_error, copied_to; of the job of a batch line: copy_batch, copy_note. Field of the batch: copies_left (jobs of
-- its lines that are still to be copied).

-- needs: keys, batch_messages, clock, fields, outbox, settle
local COPY_STATE_KEPT_MS = 86400000
local NEXT_LOOK_MS = 1000 -- while all that is due is leased or has to wait
local FIRST_PAUSE_MS, LONGEST_PAUSE_MS = 2000, 300000
local LONGEST_LOOK_MS = 60000 -- while copies wait: one may have waited for longer than the patience
local COPY_FIELDS = { 'copy', 'copy_since_ms', 'copy_later_ms', 'copy_refused_ms', 'copy_lapses', 'copy_error', 'copied_to',
  'copy_batch', 'copy_note' }

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

-- Returns a due time, or the end of a pause if that is later. Returns nil without a due time.
local function after_pause(at, resumes) return at and math.max(at, tonumber(resumes or 0)) end

-- Sets the time at which a claim should look at the copies of a tenant. A tenant that was just served goes to the end. If
-- nothing was found for it, the look is NEXT_LOOK_MS later at least.
local function schedule_copies(tenant, now, has_nothing)
  local leases = P .. 'copy_leases:' .. tenant
  local num = redis.call('HLEN', leases)
  local copy_at = first_due(P .. 'copies:' .. tenant, leases, num)
  local deletion_at = first_due(P .. 'copy_deletions:' .. tenant, leases, num)
  if not copy_at and not deletion_at and num == 0 then return redis.call('ZREM', P .. 'copy_tenants', tenant) end
  local resumes = redis.call('HMGET', P .. 'copy_state:' .. tenant, 'resumes_ms', 'delete_resumes_ms')
  local at = after_pause(copy_at, resumes[1])
  deletion_at = after_pause(deletion_at, resumes[2])
  if deletion_at and (not at or deletion_at < at) then at = deletion_at end
  if has_nothing or not at then at = math.max(at or 0, now + NEXT_LOOK_MS) end
  if copy_at then at = math.min(at, now + LONGEST_LOOK_MS) end
  redis.call('ZADD', P .. 'copy_tenants', math.max(at, now), tenant)
end

-- Records that the bucket refused a copy or a deletion, or that the worker of a deletion ended. Returns the pause until the
-- next try (ms), which is longer after each time, and at least `shortest` (ms).
local function strike(entry, tenant, detail, now, shortest)
  local state, kind = P .. 'copy_state:' .. tenant, is_deletion(entry) and 'delete_' or ''
  local strikes = redis.call('HINCRBY', state, kind .. 'strikes', 1)
  local pause = math.max(shortest, math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ^ math.min(strikes - 1, 10)))
  redis.call('HSET', state, kind .. 'resumes_ms', string.format('%.0f', now + pause), kind .. 'error', detail)
  redis.call('HSETNX', state, kind .. 'failing_since_ms', now)
  redis.call('PEXPIRE', state, COPY_STATE_KEPT_MS)
  return pause
end

-- Makes the deletion of a copy due at a time (ms), if the tenant has a bucket. `what` says which copy, as above.
local function delete_copy(what, tenant, at)
  if redis.call('HEXISTS', P .. 'buckets', tenant) == 0 then return end
  redis.call('ZADD', P .. 'copy_deletions:' .. tenant, at, 'delete|' .. what)
  schedule_copies(tenant, now_ms())
end

-- Returns what names the pictures of a batch line with `n` pictures in an entry: the batch, `n` and the custom_id. Returns
-- nil for a job that is no line.
local function line_of_copy(job, n)
  local known = redis.call('HMGET', P .. 'job:' .. job, 'copy_batch', 'copy_note')
  local is_read, note = pcall(cjson.decode, known[2] or '')
  local custom_id = known[1] and is_read and type(note) == 'table' and note.custom_id
  return custom_id and known[1] .. '|' .. n .. '|' .. custom_id or nil
end

-- Returns the id that the job of a batch line has in a round of retries (see line_job_id in shared/batches/batch.py). The
-- eight bits of the round are the 19th digit of the ULID and three bits of the 20th.
local function in_round(job, round)
  local DIGITS = '0123456789abcdefghjkmnpqrstvwxyz'
  local high, low = math.floor(round / 8), (string.find(DIGITS, string.sub(job, 24, 24), 1, true) - 1) % 4
  local digits = string.sub(DIGITS, high + 1, high + 1) .. string.sub(DIGITS, round % 8 * 4 + low + 1, round % 8 * 4 + low + 1)
  return string.sub(job, 1, 22) .. digits .. string.sub(job, 25)
end

-- Returns whether a retry of a batch line has written its pictures over those of an earlier job of the line, or is just
-- writing them. A copy that waits does not count: it is made after the deletion.
local function is_replaced(job, tenant, batch)
  if not string.match(job, '^job_[0-9a-hjkmnp-tv-z]+$') or #job ~= 30 then return false end
  for round = 1, tonumber(redis.call('HGET', P .. 'batch:' .. batch, 'round') or 0) do
    local other = in_round(job, round)
    local is_copied = redis.call('HGET', P .. 'job:' .. other, 'copy') == 'copied'
    local is_leased = redis.call('HEXISTS', P .. 'copy_leases:' .. tenant, other) == 1
    if other > job and (is_copied or is_leased) then return true end
  end
  return false
end

-- Makes the deletion of the copy of a job with `n` renders due at a time (ms), if there is a copy. The pictures of a line
-- stay if those of a retry have replaced them.
local function delete_copy_of_job(job, tenant, n, at)
  local known = redis.call('HMGET', P .. 'job:' .. job, 'copy', 'copy_batch')
  if not known[1] then return end
  local line = line_of_copy(job, n)
  if line and is_replaced(job, tenant, known[2]) then return end
  delete_copy(line or job, tenant, at)
end

-- Returns when to look again (ms) at a copy that waits for the deletion of an earlier copy of the same batch line, which
-- would delete the new pictures. Returns nil if it does not wait. A deletion that would follow later is made due now, or at
-- the end of the pause of the deletions.
local function waits_for_deletion(entry, tenant, now)
  local list, n = P .. 'copy_deletions:' .. tenant, redis.call('HGET', copied_record(entry), 'n')
  local line = n and line_of_copy(entry, n)
  if not line then return nil end
  for _, deletion in ipairs({ 'delete|' .. line, 'again|' .. line }) do
    local at = redis.call('ZSCORE', list, deletion)
    if at then
      local resumes = after_pause(now, redis.call('HGET', P .. 'copy_state:' .. tenant, 'delete_resumes_ms'))
      if tonumber(at) > resumes then redis.call('ZADD', list, resumes, deletion) end
      return math.max(resumes, now + NEXT_LOOK_MS)
    end
  end
end

-- Makes the copy of a job or batch due.
local function queue_copy(entry, tenant, now)
  redis.call('HSET', copied_record(entry), 'copy', 'pending', 'copy_since_ms', now)
  redis.call('HDEL', copied_record(entry), 'copy_error', 'copied_to', 'copy_lapses', 'copy_later_ms', 'copy_refused_ms')
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
    -- The batch may be erased already: a field alone would be a record that nobody deletes.
    local has_batch = redis.call('EXISTS', P .. 'batch:' .. known.batch) == 1
    if has_batch then redis.call('HINCRBY', P .. 'batch:' .. known.batch, 'copies_left', 1) end
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
