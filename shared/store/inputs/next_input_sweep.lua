-- Sets the time of the next sweep over all condition images.
-- ARGV: delay from now (ms); '1' to set it only if the sweep is due now, else '0'.
-- Returns 1, or 0 when the sweep is not due.

-- needs: keys, clock
local key, now = P .. 'input_sweep', now_ms()
if ARGV[2] == '1' and tonumber(redis.call('GET', key) or 0) > now then return 0 end
redis.call('SET', key, now + tonumber(ARGV[1]))
return 1
