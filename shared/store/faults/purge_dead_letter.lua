-- Purges a dead letter (a render that failed because it crashed workers): deletes its crash evidence and removes it
-- from the list of dead letters. The render stays failed.
-- ARGV: tenant, render.
-- Returns 1, or 0 when the tenant has no such dead letter.

-- needs: keys, suspicion
local tenant, render = unpack(ARGV)
if redis.call('ZREM', P .. 'dead:' .. tenant, render) == 0 then return 0 end
redis.call('HDEL', P .. 'render:' .. render, 'dead_stage', 'dead_ms')
clear_suspicion(render)
return 1
