-- Sets aside a leased entry that can't be read. The entry leaves its list, and its lease ends.
-- Arguments (ARGV):
--   1: list (key without prefix)
--   2: entry
--   3: name of the fault count
--   4: description of the fault
--   5: if the entry is a render, the worker that holds it, else ''

-- needs: keys, aside
local list, entry, kind, why, worker = unpack(ARGV)
set_aside(list, entry, kind, why)
if worker ~= '' then redis.call('SREM', P .. 'held:' .. worker, entry) end
