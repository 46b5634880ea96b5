-- Puts aside what was leased and can't be read: it is in the list no more, and nobody holds it. A list in which it is not
-- is left as it is, unless it was held as a render.
-- ARGV: list (without prefix), entry, what to count it as, why, worker that holds it as a render ('' for none)
local list, entry, kind, why, worker = unpack(ARGV)
if worker ~= '' or redis.call('ZSCORE', P .. list, entry) then set_aside(list, entry, kind, why) end
if worker ~= '' then redis.call('SREM', P .. 'held:' .. worker, entry) end
