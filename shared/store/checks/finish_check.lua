-- Ends a content check. Changes nothing if the lease was lost, or if the job or the render ended meanwhile.
-- Arguments (ARGV):
--   1, 2: entry (a job, or a render whose picture was checked), holder of the lease
--   3: outcome: 'allowed'; 'rejected' by the policy; 'failed' if there was no verdict and work without one is refused
--   4: the error of the renders (JSON), '' for 'allowed'
-- Returns 'lost' if nothing was changed; 'ended' if this ended the job; otherwise 'moved'.

-- needs: states, keys, clock, checks, count_usage, duties, move, release, stored
local entry, holder, outcome, error = unpack(ARGV)
remove_duty(holder, 'c|' .. entry)
local now = now_ms()

local function finish_picture()
  local held = redis.call('HMGET', P .. 'render:' .. entry, 'state', 'check_holder', 'unchecked', 'unchecked_usage')
  if held[1] ~= 'checking' or held[2] ~= holder then return 'lost' end
  local past = render_record(entry)
  local job, is_allowed = job_of_move(past.job), outcome == 'allowed'
  if is_allowed and held[4] and held[4] ~= '' then count_usage(job.tenant, held[4], now) end
  local more = { 'error', error }
  if is_allowed then
    local num_bytes = string.format('%.0f', cjson.decode(held[3]).num_bytes)
    count_stored(job.tenant, num_bytes)
    more = { 'picture', held[3], 'stored', num_bytes }
  end
  return finish(entry, 'checking', is_allowed and 'succeeded' or outcome, past, job, now, more) and 'ended' or 'moved'
end

local function finish_prompt()
  local known = redis.call('HMGET', P .. 'job:' .. entry, 'check', 'check_holder', 'n', 'lane')
  if known[1] ~= 'pending' or known[2] ~= holder then return 'lost' end
  leave_prompt_check(entry, known[4])
  if outcome == 'allowed' then
    redis.call('HSET', P .. 'job:' .. entry, 'check', 'allowed')
    go_on(entry)
    return 'moved'
  end
  for index = 0, tonumber(known[3]) - 1 do
    local render = entry .. ':' .. string.format('%04d', index)
    local state = redis.call('HGET', P .. 'render:' .. render, 'state')
    if state and not FINAL[state] then move(render, state, outcome, now, { 'error', error }) end
  end
  return 'ended'
end

return string.find(entry, ':', 1, true) and finish_picture() or finish_prompt()
