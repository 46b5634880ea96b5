-- Pauses something, or replaces the description of its pause. The time at which the pause began stays.
-- ARGV: kind, name, reason, key id or ''.
-- Returns JSON {reason, since_ms, key_id}.

-- needs: keys, wall_clock
local kind, name, reason, key_id = unpack(ARGV)
local field = kind .. ':' .. name
local known = redis.call('HGET', P .. 'paused', field)
local is_readable, past = pcall(cjson.decode, known or '{}')
local since = is_readable and type(past) == 'table' and past.since_ms or wall_ms()
local text = cjson.encode({ reason = reason, since_ms = since, key_id = key_id })
redis.call('HSET', P .. 'paused', field, text)
return text
