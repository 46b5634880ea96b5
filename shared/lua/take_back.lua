-- Somebody saw a worker's process end: takes back at once all that it held, without waiting for its leases to end, nor
-- for a store that stood still to be trusted again. Otherwise as a rescue: see blame.lua.
-- ARGV: worker, strikes that make a poison
-- Returns {number sent back, number failed}.
local worker, most_strikes = unpack(ARGV)
local now = now_ms()
for stage, running in pairs(RUNNING) do
  redis.call('ZADD', P .. 'workers:' .. stage, 'XX', 'LT', now, worker)
  local one = redis.call('SRANDMEMBER', P .. 'held:' .. worker)
  if one and redis.call('HGET', P .. 'render:' .. one, 'state') == running then
    return { blame(worker, stage, tonumber(most_strikes), now) }
  end
end
return { 0, 0 }
