-- Marks a worker as drained by an operator, or replaces the description of the drain. Its next claim finds nothing, and
-- its next heartbeat tells it. The mark ends with the worker.
-- ARGV: worker, reason, key id or ''.
-- Returns JSON {reason, since_ms, key_id}, or '' if no such worker of a stage is alive.

-- needs: keys, clock, stages, wall_clock, workers
local worker, reason, key_id = unpack(ARGV)
local field, now, is_known = 'worker:' .. worker, now_ms(), false
for stage in pairs(RUNNING) do is_known = is_known or is_alive(worker, stage, now) end
if not is_known then return '' end
local is_readable, past = pcall(cjson.decode, redis.call('HGET', P .. 'paused', field) or '{}')
local since = is_readable and type(past) == 'table' and past.since_ms or wall_ms()
local text = cjson.encode({ reason = reason, since_ms = since, key_id = key_id })
redis.call('HSET', P .. 'paused', field, text)
return text
