-- Gives a retry the oldest job whose answer was not delivered and that nobody holds (see expect_delivery.lua).
-- ARGV: scope, holder, lease (ms), kept for (ms)
-- Returns {'attached', job}; {'held'} when there are some and all are held; {'none'}.
local key = P .. 'undelivered:' .. ARGV[1]
redis.call('ZREMRANGEBYSCORE', key, '-inf', now_ms() - tonumber(ARGV[4]))
local jobs = redis.call('ZRANGE', key, 0, -1)
for _, job in ipairs(jobs) do
  if redis.call('SET', P .. 'undelivered_by:' .. job, ARGV[2], 'NX', 'PX', ARGV[3]) then return { 'attached', job } end
end
return { #jobs > 0 and 'held' or 'none' }
