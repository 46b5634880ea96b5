-- Forgets a dead letter for good. Its render stays what it is: failed.
-- ARGV: tenant, render
-- Returns 0 when there is no such dead letter, else 1.
-- needs: keys, suspicion
local tenant, render = unpack(ARGV)
if redis.call('ZREM', P .. 'dead:' .. tenant, render) == 0 then return 0 end
redis.call('HDEL', P .. 'render:' .. render, 'dead_stage', 'dead_ms')
absolve(render)
return 1
