-- The end of a job's stay in the enhancement stage, which comes before AR: its renders are `queued`, but in no lane.
-- needs: keys, decide, lanes

-- Ends it with a revised prompt, or with an error (JSON) and the prompt as it is; then the renders wait for AR with the
-- rank that their job always had. The caller knows that it is pending.
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
