-- Ends the lease of a render and moves the render to another state: the next one, waiting, or failed.
-- If the lease was lost, the script changes nothing. It also sends hints (Celery messages that wake workers) to queues
-- that have too few of them after the move.
-- Arguments (ARGV):
--   1: render
--   2 to 4: its lease: stage, fence, holder
--   5: new state
--   6: '1' if this attempt is not counted among the render's attempts, else '0'
--   7: number of hints
--   then for each hint: queue, key of the queue's Celery list, message
--   then the fields to store in the render's hash: pairs of name and value
-- Returns 'lost' if the lease was lost; 'ended' if this move ended the job; otherwise 'moved'. A repeated call returns
-- 'moved'.

-- needs: states, keys, clock, hints, move, throughput, stages
local render, stage, fence, holder, to, refund, num_hints = unpack(ARGV, 1, 7)
local key = P .. 'render:' .. render
local now_held = redis.call('HMGET', key, 'state', 'fence', 'holder')
if now_held[2] ~= fence or now_held[3] ~= holder then return 'lost' end
if now_held[1] == to then return 'moved' end
if now_held[1] ~= RUNNING[stage] or not ARROWS[now_held[1]][to] then return 'lost' end

local now, first_field = now_ms(), 8 + 3 * num_hints
for i = first_field, #ARGV, 2 do
  if ARGV[i] == 'handover' then end_handover(render, now) end -- the object of an earlier handover is no longer needed
  redis.call('HSET', key, ARGV[i], ARGV[i + 1])
end
if to == DONE[stage] then record_throughput(stage, key, now) end
if refund == '1' then redis.call('HINCRBY', key, stage .. '_attempts', -1) end
local has_ended = move(render, now_held[1], to, now) == 1
-- A holder moves its render only once, so its id makes a unique hint id.
for i = 8, first_field - 1, 3 do send_hints(ARGV[i], ARGV[i + 1], ARGV[i + 2], holder, 1, now) end
return has_ended and 'ended' or 'moved'
