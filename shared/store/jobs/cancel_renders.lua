-- A function that cancels all renders of a job that have not ended, for scripts that delete the job.

-- needs: states, keys, move

-- A worker that holds one of the renders learns this at its next heartbeat.
local function cancel_renders(job, n, now)
  for index = 0, n - 1 do
    local render = job .. ':' .. string.format('%04d', index)
    local state = redis.call('HGET', P .. 'render:' .. render, 'state')
    if state and not FINAL[state] then move(render, state, 'cancelled', now) end
  end
end
