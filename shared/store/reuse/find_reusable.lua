-- Finds the picture that may answer a request again. A picture that its owner has deleted is not found, even while its
-- object still waits for its deletion.
-- ARGV: tenant, digest of the request.
-- Returns the key of the picture in the object store, or ''.

-- needs: keys, clock, erasing
local tenant, digest = unpack(ARGV)
local ends = redis.call('ZSCORE', P .. 'reuse_ends:' .. tenant, digest)
if not ends or tonumber(ends) <= now_ms() or is_erasing(tenant) then return '' end
local object = redis.call('HGET', P .. 'reuse:' .. tenant, digest)
local job = object and string.match(object, '^jobs/(job_%w+)/')
if not job then return '' end

-- The id of a line's job and that of its batch have the first 18 characters after the prefix in common.
local function is_of_deleted_batch()
  for _, entry in ipairs(redis.call('ZRANGE', P .. 'batch_deleted', 0, -1)) do
    if string.sub(entry, 7, 24) == string.sub(job, 5, 22) then return true end
  end
  return false
end

-- Returns whether the job has an entry in the list of deleted jobs (doom_job.lua and kept.lua write these).
local function is_doomed()
  for _, more in ipairs({ '', '|again', '|inputs', '|inputs|again' }) do
    if redis.call('ZSCORE', P .. 'doomed', job .. more) then return true end
  end
  return false
end

return not is_doomed() and not is_of_deleted_batch() and object or ''
