-- Appends an event about a leased render to its job's stream, unless the lease was lost.
-- Arguments (ARGV):
--   1: render
--   2 to 4: its lease: stage, fence, holder
--   5: type of the event
--   6: data of the event (JSON object)
-- Returns 1, or 0 when the lease was lost.

-- needs: keys, events, stages
local render, stage, fence, holder, type, data = unpack(ARGV)
local held = redis.call('HMGET', P .. 'render:' .. render, 'state', 'fence', 'holder', 'job')
if held[1] ~= RUNNING[stage] or held[2] ~= fence or held[3] ~= holder then return 0 end
append_event(held[4], type, cjson.decode(data))
return 1
