-- Makes a message due again.
-- ARGV: message, tenant, endpoint, or '' for wherever it was for
-- Returns the number of deliveries, or -1 when there is no such message.
local message, tenant, endpoint = unpack(ARGV)
local key, now, num = P .. 'message:' .. message, now_ms(), 0
if redis.call('HGET', key, 'tenant') ~= tenant then return -1 end
if endpoint ~= '' then
  deliver(message, endpoint, now)
  return 1
end
for _, field in ipairs(redis.call('HKEYS', key)) do
  local destination = string.match(field, '^to:(.+)$')
  if destination then
    deliver(message, destination, now)
    num = num + 1
  end
end
return num
