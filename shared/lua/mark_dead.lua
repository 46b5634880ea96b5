-- Somebody saw a worker's process end: its announcement and its leases end now, and the next rescue takes its renders back.
-- ARGV: worker
-- Returns how many leases ended.
local worker = ARGV[1]
local now = now_ms()
for stage in pairs(RUNNING) do
  redis.call('ZADD', P .. 'workers:' .. stage, 'XX', 'LT', now, worker)
end
local held = redis.call('SMEMBERS', P .. 'held:' .. worker)
for _, render in ipairs(held) do redis.call('ZADD', P .. 'leases', 'XX', 'LT', now, render) end
return #held
