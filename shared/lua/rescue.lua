-- Takes renders back whose lease ended: to the last finished stage, or to failed after too many attempts.
-- ARGV: most renders at once, max attempts of a stage, error (JSON) of a render that had too many
-- Returns {number sent back, number failed}.
local most, max_attempts, error = unpack(ARGV)
local now = now_ms()
local rescued, failed = 0, 0
for _, render in ipairs(redis.call('ZRANGEBYSCORE', P .. 'leases', '-inf', now, 'LIMIT', 0, most)) do
  local key = P .. 'render:' .. render
  local state = redis.call('HGET', key, 'state')
  local stage = state and RUNS[state]
  if not stage then
    redis.call('ZREM', P .. 'leases', render)
  elseif tonumber(redis.call('HGET', key, stage .. '_attempts')) >= tonumber(max_attempts) then
    redis.call('HSET', key, 'error', error)
    move(render, state, 'failed', now)
    failed = failed + 1
  else
    move(render, state, WAITING[stage], now)
    rescued = rescued + 1
  end
end
return { rescued, failed }
