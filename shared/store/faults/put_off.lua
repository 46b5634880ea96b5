-- Makes an entry of a list due later, so that the entries behind it get their turn. Does nothing if the entry is not in
-- the list.
-- ARGV: list (its key in the store without prefix), entry, delay (ms).

-- needs: keys, clock
redis.call('ZADD', P .. ARGV[1], 'XX', now_ms() + tonumber(ARGV[3]), ARGV[2])
