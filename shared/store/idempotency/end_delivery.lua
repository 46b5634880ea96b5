-- Ends or extends the lease of an HTTP request on a job. The request is to deliver the response about this job (see
-- expect_delivery.lua).
-- Arguments (ARGV):
--   1: scope: tenant and fingerprint of the request
--   2, 3: job, holder of the lease
--   4: action: 'hold' to extend the lease, 'open' to extend it as an open lease, which a retry of the request may take,
--      'release' to end it, 'delivered' when the response was delivered.
--      'delivered' also works without the lease, because a delivery by any request counts for all of them
--   5: length of the lease from now (ms)

-- needs: keys, clock
local hold = P .. 'undelivered_by:' .. ARGV[2]
if ARGV[4] == 'delivered' then redis.call('ZREM', P .. 'undelivered:' .. ARGV[1], ARGV[2]) end
local holder = string.match(redis.call('GET', hold) or '', '^%S+')
if holder ~= ARGV[3] then return end
if ARGV[4] ~= 'hold' and ARGV[4] ~= 'open' then return redis.call('DEL', hold) end
if ARGV[4] == 'open' then holder = 'open-' .. holder end
redis.call('SET', hold, holder .. ' ' .. now_ms() + tonumber(ARGV[5]), 'PX', ARGV[5])
