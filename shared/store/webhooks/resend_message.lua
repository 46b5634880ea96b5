-- Makes a webhook message due again.
-- ARGV: message, tenant, endpoint ('' for all destinations that the message had).
-- Returns the number of deliveries that are due again, or -1 when the tenant has no such message.

-- needs: keys, clock, outbox
local message, tenant, endpoint = unpack(ARGV)
local key, now, num = P .. 'message:' .. message, now_ms(), 0
if redis.call('HGET', key, 'tenant') ~= tenant then return -1 end
for _, destination in ipairs(endpoint ~= '' and { endpoint } or destinations_of(message)) do
  deliver(message, destination, now, tenant)
  resume_destination(destination)
  num = num + 1
end
return num
