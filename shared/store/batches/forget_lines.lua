-- Deletes jobs of a deleted batch's lines. If the owner retried such a job, its renders may be unfinished: they are
-- cancelled first. A job may be an index entry by then.
-- ARGV: tenant, prefix of the ids of the batch's jobs, maximum number of jobs.
-- Returns the number of deleted jobs.

-- needs: keys, clock, cancel_renders, delete_job, doom_job, kept
local tenant, prefix, most = unpack(ARGV)
local jobs = redis.call('ZRANGEBYLEX', P .. 'jobs:' .. tenant, '[' .. prefix, '[' .. prefix .. '\255', 'LIMIT', 0, most)
for _, job in ipairs(jobs) do
  local n = tonumber(redis.call('HGET', P .. 'job:' .. job, 'n'))
  cancel_renders(job, n, now_ms())
  delete_job(job, tenant, redis.call('HGET', P .. 'job:' .. job, 'status'), n)
end
local num = #jobs
for _, status in ipairs(KEPT_IN) do
  local key = P .. 'kept:' .. tenant .. ':' .. status
  for _, entry in ipairs(redis.call('ZRANGEBYLEX', key, '[' .. prefix, '[' .. prefix .. '\255', 'LIMIT', 0, most)) do
    -- Upkeep deletes the objects by their common prefix.
    local job, has_inputs = drop_kept(tenant, status, entry)
    if has_inputs then doom_objects(job .. '|inputs', now_ms()) end
    num = num + 1
  end
end
return num
