-- Deletes the usage of months that ended long ago.
-- ARGV: how long usage is kept after its month (ms), maximum number of months of tenants.
-- Returns how many were deleted.

-- needs: keys, clock, count_usage
local oldest = month_and_day(now_ms() - tonumber(ARGV[1]))
local past = redis.call('ZRANGEBYLEX', P .. 'usage', '-', '(' .. oldest, 'LIMIT', 0, ARGV[2])
for _, each in ipairs(past) do
  redis.call('UNLINK', P .. 'usage:' .. string.gsub(each, '|', ':', 1))
  redis.call('ZREM', P .. 'usage', each)
end
return #past
