-- A function that ends the enhancement stage of a job, which comes before AR. During this stage the job's renders have
-- the state `queued`, but are in no lane (queue of waiting renders).

-- needs: keys, decide, lanes

-- Ends the stage with a revised prompt, or with an error (JSON) and the original prompt. Then the renders wait for AR
-- with their job's original rank. The caller has checked that the enhancement is pending.
local function end_enhancement(job, status, text)
  local key = P .. 'job:' .. job
  decide_enhancement(job, status, text)
  local known = redis.call('HMGET', key, 'lane', 'rank', 'n')
  for index = 0, tonumber(known[3]) - 1 do
    local render = job .. ':' .. string.format('%04d', index)
    if redis.call('HGET', P .. 'render:' .. render, 'state') == 'queued' then
      enqueue(render, 'ar', known[1], known[2])
    end
  end
end
