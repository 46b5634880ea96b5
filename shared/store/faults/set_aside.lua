-- Puts aside what was leased and can't be read: it is in the list no more, and nobody holds it.
-- ARGV: list (without prefix), entry, what to count it as, why, worker that holds it as a render ('' for none)
-- needs: keys, aside
local list, entry, kind, why, worker = unpack(ARGV)
set_aside(list, entry, kind, why)
if worker ~= '' then redis.call('SREM', P .. 'held:' .. worker, entry) end
