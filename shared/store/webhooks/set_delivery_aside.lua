-- Sets a leased webhook delivery aside, because its message can't be read.
-- ARGV: message, destination.

-- needs: aside, outbox
local message, destination = unpack(ARGV)
set_aside('due:' .. destination, message, 'due', 'its message can not be read')
unschedule(message, destination)
