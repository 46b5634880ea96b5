-- Functions that delete an ended job together with its objects. Upkeep deletes the objects of `doomed` jobs twice: when
-- they are due, and once more LATE_MS later. The second time is for an object that a worker stored meanwhile after it had
-- lost its lease.

-- needs: keys, copies, delete_job

-- Makes the objects of a job due for deletion at the given time (ms).
local function doom_objects(job, at)
  local LATE_MS = 600000
  redis.call('ZADD', P .. 'doomed', at, job, at + LATE_MS, job .. '|again')
end

-- Deletes the records of a job with `n` renders, and makes its objects and its copy in the bucket of its tenant due for
-- deletion now.
local function doom_job(job, tenant, status, n, now)
  doom_objects(job, now)
  delete_copy_of_job(job, tenant, n, now)
  delete_job(job, tenant, status, n)
end
