-- Moves a leased render on, back or to failed; refuses unless the lease is the current one.
-- ARGV: render, stage, fence, holder, to, refund ('1': this attempt does not count), field, value, ...
-- Returns 'lost', 'moved', or 'ended' when this ended the job. Repeating a write that was done answers 'moved'.
local render, stage, fence, holder, to, refund = unpack(ARGV, 1, 6)
local key = P .. 'render:' .. render
local now_held = redis.call('HMGET', key, 'state', 'fence', 'holder')
if now_held[2] ~= fence or now_held[3] ~= holder then return 'lost' end
if now_held[1] == to then return 'moved' end
if now_held[1] ~= RUNNING[stage] or not ARROWS[now_held[1]][to] then return 'lost' end

for i = 7, #ARGV, 2 do redis.call('HSET', key, ARGV[i], ARGV[i + 1]) end
if to == DONE[stage] then note_pace(stage, key, now_ms()) end
if refund == '1' then redis.call('HINCRBY', key, stage .. '_attempts', -1) end
return move(render, now_held[1], to, now_ms()) == 1 and 'ended' or 'moved'
