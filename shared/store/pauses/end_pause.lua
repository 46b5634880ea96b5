-- Ends a pause. Idle workers then find the work within two seconds.
-- ARGV: kind, name.
-- Returns 1, or 0 if it was not paused.

-- needs: keys, shares
local kind, name = unpack(ARGV)
local num = redis.call('HDEL', P .. 'paused', kind .. ':' .. name)
if num == 1 and kind == 'tenant' then unpark(name) end
return num
