-- Cancels every render of a job that is not final. A worker that holds one learns it at its next heartbeat.
-- ARGV: job, tenant, render 0, render 1, ...
-- Returns 0 when there is no such job, else 1.
-- needs: states, keys, steady, move
local job, tenant = ARGV[1], ARGV[2]
if redis.call('HGET', P .. 'job:' .. job, 'tenant') ~= tenant then return 0 end
local now = now_ms()
for i = 3, #ARGV do
  local state = redis.call('HGET', P .. 'render:' .. ARGV[i], 'state')
  if state and ARROWS[state]['cancelled'] then move(ARGV[i], state, 'cancelled', now) end
end
return 1
