-- Deletes webhook messages of a tenant with their deliveries and attempts.
-- ARGV: tenant, maximum number of messages.
-- Returns the number of deleted messages.

-- needs: keys, outbox
local messages = redis.call('ZRANGE', P .. 'messages:' .. ARGV[1], 0, tonumber(ARGV[2]) - 1)
for _, message in ipairs(messages) do delete_message(message, ARGV[1]) end
return #messages
