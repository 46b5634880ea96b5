-- Makes a message due again.
-- ARGV: message, tenant, endpoint, or '' for wherever it was for
-- Returns the number of deliveries, or -1 when there is no such message.
-- needs: keys, steady, outbox
local message, tenant, endpoint = unpack(ARGV)
local key, now, num = P .. 'message:' .. message, now_ms(), 0
if redis.call('HGET', key, 'tenant') ~= tenant then return -1 end
for _, destination in ipairs(endpoint ~= '' and { endpoint } or destinations_of(message)) do
  deliver(message, destination, now)
  wake_destination(destination)
  num = num + 1
end
return num
