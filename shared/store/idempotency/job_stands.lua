-- A function that records under an Idempotency-Key that the job of its request was created.

-- needs: keys

-- Later requests with the key get their response from the job, and need not wait for the first request. An expired key
-- stays expired.
local function job_stands(scope)
  local key = P .. 'idempotency:' .. scope
  if redis.call('EXISTS', key) == 0 then return end
  redis.call('HSET', key, 'stands', 1)
  redis.call('HDEL', key, 'holder', 'until_ms')
end
