-- A function that ends the enhancement stage of a job, which comes before AR. During this stage the job's renders have
-- the state `queued`, but are in no lane (queue of waiting renders).

-- needs: keys, decide, fields, lanes

-- Ends the stage with a revised prompt, or with an error (JSON) and the original prompt. Then the renders wait for AR
-- with their job's original rank. The caller has checked that the enhancement is pending.
local function end_enhancement(job, status, text)
  decide_enhancement(job, status, text)
  local known = fields_of(P .. 'job:' .. job, 'n', 'lane', 'rank', 'ar_cost', 'dit_cost')
  for index = 0, tonumber(known.n) - 1 do
    local render = job .. ':' .. string.format('%04d', index)
    local waiting = redis.call('HMGET', P .. 'render:' .. render, 'state', 'group')
    if waiting[1] == 'queued' then enqueue(render, 'ar', known, false, waiting[2]) end
  end
end
