-- Ends or prolongs what one request has to do with a job's answer (see expect_delivery.lua).
-- ARGV: scope, job, holder, how: 'hold' (with a lease in ms), 'release' or 'delivered'; lease
-- Whoever delivered it did so for all, so that needs no hold.
local hold = P .. 'undelivered_by:' .. ARGV[2]
if ARGV[4] == 'delivered' then redis.call('ZREM', P .. 'undelivered:' .. ARGV[1], ARGV[2]) end
if redis.call('GET', hold) ~= ARGV[3] then return end
if ARGV[4] == 'hold' then redis.call('PEXPIRE', hold, ARGV[5]) else redis.call('DEL', hold) end
