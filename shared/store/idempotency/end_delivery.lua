-- Ends or prolongs what one request has to do with a job's answer (see expect_delivery.lua).
-- ARGV: scope, job, holder, how: 'hold' (with a lease in ms), 'release' or 'delivered'; lease
-- Whoever delivered it did so for all, so that needs no hold.
-- needs: keys, steady
local hold = P .. 'undelivered_by:' .. ARGV[2]
if ARGV[4] == 'delivered' then redis.call('ZREM', P .. 'undelivered:' .. ARGV[1], ARGV[2]) end
local holder = string.match(redis.call('GET', hold) or '', '^%S+')
if holder ~= ARGV[3] then return end
if ARGV[4] ~= 'hold' then return redis.call('DEL', hold) end
redis.call('SET', hold, ARGV[3] .. ' ' .. now_ms() + tonumber(ARGV[5]), 'PX', ARGV[5])
