-- Functions that change the status of a job, and compute its final status from its renders.

-- needs: keys

-- Changes a job's status and moves the job between the tenant's lists.
local function set_status(job, tenant, from, to)
  redis.call('HSET', P .. 'job:' .. job, 'status', to)
  redis.call('ZREM', P .. 'jobs:' .. tenant .. ':' .. from, job)
  redis.call('ZADD', P .. 'jobs:' .. tenant .. ':' .. to, 0, job)
end

-- Returns a job's final status from its renders: succeeded if all succeeded; else cancelled or expired if any was; else
-- failed.
local function final_status(job_key)
  local ends = redis.call('HMGET', job_key, 'n', 'num_succeeded', 'num_cancelled', 'num_expired')
  if ends[2] == ends[1] then return 'succeeded' end
  if ends[3] then return 'cancelled' end
  if ends[4] then return 'expired' end
  return 'failed'
end
