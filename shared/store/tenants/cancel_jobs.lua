-- Cancels unfinished jobs of a tenant, because its data is being erased. Workers then stop rendering them.
-- ARGV: tenant, maximum number of jobs.
-- Returns the number of cancelled jobs. A job whose records are broken is not counted: it is deleted without this.

-- needs: keys, clock, cancel_renders
local tenant, most, num = ARGV[1], tonumber(ARGV[2]), 0
for _, status in ipairs({ 'queued', 'running' }) do
  for _, job in ipairs(redis.call('ZRANGE', P .. 'jobs:' .. tenant .. ':' .. status, 0, most - 1)) do
    local n = tonumber(redis.call('HGET', P .. 'job:' .. job, 'n')) or 0
    local is_done = pcall(cancel_renders, job, n, now_ms())
    local now_has = redis.call('HGET', P .. 'job:' .. job, 'status')
    if is_done and now_has and now_has ~= status then num = num + 1 end
  end
end
return num
