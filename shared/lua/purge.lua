-- Forgets finished jobs whose time in the store is over, and of which nothing is left to deliver: a delivery reads its
-- job. Their pictures and manifests stay in the object store.
-- ARGV: retention (ms), most jobs at once
-- Returns the number of jobs that were looked at.
local RETRY_MS = 60000

local function is_delivered(job, status)
  for _, delivery in ipairs(deliveries_of(job, status)) do
    if redis.call('ZSCORE', P .. 'deliveries', delivery) then return false end
  end
  return true
end

local since = now_ms() - tonumber(ARGV[1])
local over = redis.call('ZRANGEBYSCORE', P .. 'finished', '-inf', since, 'LIMIT', 0, ARGV[2])
for _, job in ipairs(over) do
  local known = redis.call('HMGET', P .. 'job:' .. job, 'tenant', 'status', 'n')
  if not known[1] then
    redis.call('ZREM', P .. 'finished', job)
  elseif is_delivered(job, known[2]) then
    forget(job, known[1], known[2], tonumber(known[3]))
  else
    redis.call('ZADD', P .. 'finished', since + RETRY_MS, job)
  end
end
return #over
