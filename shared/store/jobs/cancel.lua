-- Cancels every render of a job that has not ended. A worker that holds one of these renders learns this at its next
-- heartbeat.
-- ARGV: job, tenant, then the job's renders.
-- Returns 1, or 0 when the tenant has no such job.

-- needs: states, keys, clock, move
local job, tenant = ARGV[1], ARGV[2]
if redis.call('HGET', P .. 'job:' .. job, 'tenant') ~= tenant then return 0 end
local now = now_ms()
for i = 3, #ARGV do
  local state = redis.call('HGET', P .. 'render:' .. ARGV[i], 'state')
  if state and ARROWS[state]['cancelled'] then move(ARGV[i], state, 'cancelled', now) end
end
return 1
