-- Gives a retry the oldest job whose answer was not delivered and that nobody holds (see expect_delivery.lua).
-- ARGV: scope, holder, lease (ms), kept for (ms)
-- Returns {'attached', job}; {'held'} when there are some and all are held; {'none'}.
-- needs: keys, steady
local key, now = P .. 'undelivered:' .. ARGV[1], now_ms()
redis.call('ZREMRANGEBYSCORE', key, '-inf', now - tonumber(ARGV[4]))

local function is_held(job)
  local hold = redis.call('GET', P .. 'undelivered_by:' .. job)
  -- One of an earlier release says no time.
  return hold and tonumber(string.match(hold, ' (%d+)$') or now + 1) > now
end

local jobs = redis.call('ZRANGE', key, 0, -1)
for _, job in ipairs(jobs) do
  if not is_held(job) then
    redis.call('SET', P .. 'undelivered_by:' .. job, ARGV[2] .. ' ' .. now + tonumber(ARGV[3]), 'PX', ARGV[3])
    return { 'attached', job }
  end
end
return { #jobs > 0 and 'held' or 'none' }
