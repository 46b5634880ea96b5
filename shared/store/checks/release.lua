-- A function that lets the renders of a job go on, after a step before the first stage has ended. Such steps are the
-- enhancement of the prompt and, after it, the check of the prompt. During them the renders are in no lane.

-- needs: keys, checks, clock, fields, lanes, stages

-- Makes the check of the prompt due if it is pending. Otherwise the renders wait for their stage, with their job's
-- original rank.
local function go_on(job)
  local known = fields_of(P .. 'job:' .. job, 'n', 'lane', 'rank', 'ar_cost', 'dit_cost', 'check', 'tenant')
  if known.check == 'pending' then return require_prompt_check(job, known.lane, known.tenant, now_ms()) end
  for index = 0, tonumber(known.n) - 1 do
    local render = job .. ':' .. string.format('%04d', index)
    local waiting = redis.call('HMGET', P .. 'render:' .. render, 'state', 'group')
    if WAITS[waiting[1]] then enqueue(render, WAITS[waiting[1]], known, false, waiting[2]) end
  end
end
