-- Returns the oldest index entries of a list of entries that is due for a look. The next look at the list is put off.
-- ARGV: number of entries, time until the next look at the list (ms).
-- Returns {tenant, status, entries...}, or an empty list when no list is due.

-- needs: keys, clock
local now = now_ms()
local list = redis.call('ZRANGEBYSCORE', P .. 'kept_lists', '-inf', now, 'LIMIT', 0, 1)[1]
if not list then return {} end
redis.call('ZADD', P .. 'kept_lists', now + tonumber(ARGV[2]), list)
local tenant, status = string.match(list, '^(.*):(%l+)$')
return { tenant, status, unpack(redis.call('ZRANGE', P .. 'kept:' .. list, 0, ARGV[1] - 1)) }
