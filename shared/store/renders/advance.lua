-- Ends the lease of a render and moves the render to another state: the next one, waiting, or failed.
-- If the lease was lost, the script changes nothing. It also sends hints (Celery messages that wake workers) to queues
-- that have too few of them after the move.
-- Arguments (ARGV):
--   1: render
--   2 to 4: its lease: stage, fence, holder
--   5: new state. `checking` means that the picture is stored and waits for a content check (see checks.lua)
--   6: '1' if this attempt is not counted among the render's attempts, else '0'
--   7: what a finished picture adds to the usage of its tenant (count_usage.lua), or ''
--   8: number of hints
--   then for each hint: queue, key of the queue's Celery list, message
--   then the fields to store in the render's hash: pairs of name and value
-- Returns 'lost' if the lease was lost; 'ended' if this move ended the job; otherwise 'moved'. A repeated call returns
-- 'moved'.

-- needs: states, keys, clock, count_usage, hints, move, shares, stored, throughput, stages
-- seldom: await_check, clear_suspicion, count_usage, decide_enhancement, device_order, end_line, end_picture_check
-- seldom: finish, forget_text, num_due, num_wanted_of_stage, refund, unpark, wait_for
local render, stage, fence, holder, to, is_uncounted, used, num_hints = unpack(ARGV, 1, 8)
local past = render_record(render)
if past.fence ~= fence or past.holder ~= holder then return 'lost' end
if past.state == to then return 'moved' end
if past.state ~= RUNNING[stage] or not ARROWS[past.state][to] then return 'lost' end

local now, first_field = now_ms(), 9 + 3 * num_hints
local job = job_of_move(past.job)
for i = first_field, #ARGV, 2 do
  -- the object of an earlier handover is no longer needed
  if ARGV[i] == 'handover' then end_handover(render, past.handover, now) end
  if ARGV[i] == 'stored' then count_stored(job.tenant, ARGV[i + 1]) end
  if ARGV[i] == 'reused_from' then -- its picture took no time of a device
    local pool, tenant = pool_of(stage, job.lane)
    refund(pool, tenant, tonumber(job[stage .. '_cost']))
  end
end
if to == DONE[stage] or to == 'checking' then record_throughput(stage, render, past, job, now) end
if used ~= '' then count_usage(job.tenant, used, now) end
if is_uncounted == '1' then redis.call('HINCRBY', P .. 'render:' .. render, stage .. '_attempts', -1) end
local go = FINAL[to] and finish or to == 'checking' and await_check or wait_for
local has_ended = go(render, past.state, to, past, job, now, { unpack(ARGV, first_field) })
-- A holder moves its render only once, so its id makes a unique hint id.
for i = 9, first_field - 1, 3 do send_hints(ARGV[i], ARGV[i + 1], ARGV[i + 2], holder, 1, now) end
return has_ended and 'ended' or 'moved'
