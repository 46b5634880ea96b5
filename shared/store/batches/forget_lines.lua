-- Deletes jobs of a deleted batch's lines. If the owner retried such a job, its renders may be unfinished: they are
-- cancelled first.
-- ARGV: tenant, prefix of the ids of the batch's jobs, maximum number of jobs.
-- Returns the number of deleted jobs.

-- needs: states, keys, clock, delete_job, move
local tenant, prefix, most = unpack(ARGV)
local jobs = redis.call('ZRANGEBYLEX', P .. 'jobs:' .. tenant, '[' .. prefix, '[' .. prefix .. '\255', 'LIMIT', 0, most)
local now = now_ms()
for _, job in ipairs(jobs) do
  local n = tonumber(redis.call('HGET', P .. 'job:' .. job, 'n'))
  for index = 0, n - 1 do
    local render = job .. ':' .. string.format('%04d', index)
    local state = redis.call('HGET', P .. 'render:' .. render, 'state')
    if not FINAL[state] then move(render, state, 'cancelled', now) end
  end
  delete_job(job, tenant, redis.call('HGET', P .. 'job:' .. job, 'status'), n)
end
return #jobs
