-- Functions that change the status of a job, and compute its final status from its renders.

-- needs: keys

-- Changes a job's status and moves the job between the tenant's lists. `more` are further fields of the job to write:
-- names and values in turn.
local function set_status(job, tenant, from, to, more)
  redis.call('HSET', P .. 'job:' .. job, 'status', to, unpack(more or {}))
  redis.call('ZREM', P .. 'jobs:' .. tenant .. ':' .. from, job)
  redis.call('ZADD', P .. 'jobs:' .. tenant .. ':' .. to, 0, job)
end

-- Returns a job's final status from how many of its renders ended in which state: succeeded if all succeeded; else
-- rejected, cancelled or expired if any was; else failed.
local function final_status(known)
  if tonumber(known.num_succeeded or 0) == tonumber(known.n) then return 'succeeded' end
  if known.num_rejected then return 'rejected' end
  if known.num_cancelled then return 'cancelled' end
  if known.num_expired then return 'expired' end
  return 'failed'
end
