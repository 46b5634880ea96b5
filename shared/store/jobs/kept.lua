-- Functions for index entries. After its retention an ended job shrinks to an index entry, and its manifest (JSON
-- description in the object store) tells the rest.
--   gridpress:kept:<tenant>:<status>  zset  entries, score 0: job, `|` and the bytes of its pictures that count as stored;
--                                           `|i` is appended if the job has condition images. Lexical order is order of
--                                           creation
--   gridpress:kept_expiries           zset  <tenant>|<job>: entries of jobs with a `delete_after_s`, by the time of
--                                           their deletion (ms)
--   gridpress:kept_lists              zset  <tenant>:<status> of all lists of entries, by the time at which to look
--                                           whether the objects of the oldest still exist (ms)

-- needs: keys, copies, delete_job, doom_job, inputs, stored

local KEPT_IN = { 'succeeded', 'failed', 'cancelled', 'expired', 'rejected' }

-- Returns the status and the index entry of a tenant's job, or nil.
local function find_kept(job, tenant)
  for _, status in ipairs(KEPT_IN) do
    local key = P .. 'kept:' .. tenant .. ':' .. status
    local entry = redis.call('ZRANGEBYLEX', key, '[' .. job .. '|', '(' .. job .. '}', 'LIMIT', 0, 1)[1]
    if entry then return status, entry end
  end
end

-- Writes the index entry of an ended job. `ends` is the time at which the job deletes itself (ms), or nil.
local function write_kept(job, tenant, status, num_bytes, has_inputs, ends, now)
  local LOOK_MS = 86400000
  local entry = job .. '|' .. string.format('%.0f', num_bytes) .. (has_inputs and '|i' or '')
  redis.call('ZADD', P .. 'kept:' .. tenant .. ':' .. status, 0, entry)
  redis.call('ZADD', P .. 'kept_lists', 'NX', now + LOOK_MS, tenant .. ':' .. status)
  if ends then redis.call('ZADD', P .. 'kept_expiries', ends, tenant .. '|' .. job) end
end

-- Returns whether the job of this spec has condition images, and drops those whose object names no tenant: an earlier
-- release stored them, and they are kept only as long as the records of their jobs.
local function keep_inputs(job, spec)
  local has_inputs = false
  for _, object in ipairs(inputs_of(spec)) do
    if string.match(object, '^inputs/[^/]+/') then has_inputs = true else drop_input(job, object) end
  end
  return has_inputs
end

-- Returns the time at which an ended job deletes itself (ms), or nil. A worker of an earlier release ends a job without
-- an entry in the list of these times.
local function deletion_of(job)
  local known = redis.call('HMGET', P .. 'job:' .. job, 'finished_ms', 'delete_after_ms')
  return redis.call('ZSCORE', P .. 'job_expiries', job) or known[1] and known[2] and known[1] + known[2] or nil
end

-- Replaces the records of an ended job with `n` renders by an index entry. Its bytes and condition images stay counted.
local function shrink_job(job, tenant, status, n, now)
  local has_inputs = keep_inputs(job, redis.call('HGET', P .. 'job:' .. job, 'spec'))
  write_kept(job, tenant, status, picture_bytes_of(job, n), has_inputs, deletion_of(job), now)
  delete_records(job, tenant, status, n)
end

-- Removes an index entry. Returns its job, and whether the job has condition images.
local function drop_kept(tenant, status, entry)
  local job, num_bytes, flags = string.match(entry, '^([^|]+)|(%d+)|?(.*)$')
  local key = P .. 'kept:' .. tenant .. ':' .. status
  redis.call('ZREM', key, entry)
  redis.call('ZREM', P .. 'kept_expiries', tenant .. '|' .. job)
  count_stored(tenant, -num_bytes)
  if redis.call('EXISTS', key) == 0 then redis.call('ZREM', P .. 'kept_lists', tenant .. ':' .. status) end
  return job, flags == 'i'
end

-- Removes an index entry, and makes the objects of its job and its copy due for deletion. Upkeep reads the manifest first if the job
-- has condition images, to learn which it uses.
local function delete_kept(tenant, status, entry, now)
  local job, has_inputs = drop_kept(tenant, status, entry)
  doom_objects(has_inputs and job .. '|inputs' or job, now)
  delete_copy(job, tenant, now)
end
