-- Forgets jobs of the lines of a deleted batch; one that its owner gave another life is cancelled before.
-- ARGV: tenant, what the ids of these jobs begin with, most at once
-- Returns the number of jobs.
-- needs: states, keys, steady, forget, move
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
  forget(job, tenant, redis.call('HGET', P .. 'job:' .. job, 'status'), n)
end
return #jobs
