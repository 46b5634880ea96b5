-- Gives a retried request the job of an earlier try whose response was not delivered (see expect_delivery.lua). If
-- there are several jobs, it gets the oldest one that is not leased to another request. If there is none, a request that
-- is marked as a retry gets the oldest one with an open lease (see end_delivery.lua).
-- Arguments (ARGV):
--   1: scope: tenant and fingerprint of the request
--   2: holder: the random id of this request
--   3: lease (ms)
--   4: how long a job waits for a retry (ms)
--   5: '1' if the request is marked as a retry
-- Returns {'attached', job}; {'held', age of the oldest job in ms} when all these jobs are leased to other requests;
-- {'none'} when there are none.

-- needs: keys, clock
local key, now = P .. 'undelivered:' .. ARGV[1], now_ms()
redis.call('ZREMRANGEBYSCORE', key, '-inf', now - tonumber(ARGV[4]))

-- Returns whether a request holds the job.
local function is_held(job)
  local hold = redis.call('GET', P .. 'undelivered_by:' .. job)
  -- A lease of an earlier version has no end time.
  return hold and tonumber(string.match(hold, ' (%d+)$') or now + 1) > now
end

-- Leases the job to this request.
local function attached(job)
  redis.call('SET', P .. 'undelivered_by:' .. job, ARGV[2] .. ' ' .. now + tonumber(ARGV[3]), 'PX', ARGV[3])
  return { 'attached', job }
end

local jobs = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
for i = 1, #jobs, 2 do
  if not is_held(jobs[i]) then return attached(jobs[i]) end
end
for i = 1, ARGV[5] == '1' and #jobs or 0, 2 do
  local hold = redis.call('GET', P .. 'undelivered_by:' .. jobs[i])
  if string.find(hold or '', '^open%-') then return attached(jobs[i]) end
end
if #jobs == 0 then return { 'none' } end
return { 'held', string.format('%.0f', now - tonumber(jobs[2])) }
