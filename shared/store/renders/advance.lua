-- Moves a leased render on, back or to failed, and sends the hints that this leaves a queue short of; refuses unless the
-- lease is the current one.
-- ARGV: render, stage, fence, holder, to, refund ('1': this attempt does not count), number of hints,
-- then per hint: queue, key of its Celery list, message; then field, value, ...
-- Returns 'lost', 'moved', or 'ended' when this ended the job. Repeating a write that was done answers 'moved'.
-- needs: states, keys, steady, hints, move, pace, stages
local render, stage, fence, holder, to, refund, num_hints = unpack(ARGV, 1, 7)
local key = P .. 'render:' .. render
local now_held = redis.call('HMGET', key, 'state', 'fence', 'holder')
if now_held[2] ~= fence or now_held[3] ~= holder then return 'lost' end
if now_held[1] == to then return 'moved' end
if now_held[1] ~= RUNNING[stage] or not ARROWS[now_held[1]][to] then return 'lost' end

local now, first_field = now_ms(), 8 + 3 * num_hints
for i = first_field, #ARGV, 2 do
  if ARGV[i] == 'handover' then end_handover(render, now) end -- that of an earlier hand-over
  redis.call('HSET', key, ARGV[i], ARGV[i + 1])
end
if to == DONE[stage] then note_pace(stage, key, now) end
if refund == '1' then redis.call('HINCRBY', key, stage .. '_attempts', -1) end
local has_ended = move(render, now_held[1], to, now) == 1
-- A holder moves its render once, so its name makes an id that nobody else has.
for i = 8, first_field - 1, 3 do send_hints(ARGV[i], ARGV[i + 1], ARGV[i + 2], holder, 1, now) end
return has_ended and 'ended' or 'moved'
