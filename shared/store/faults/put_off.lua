-- Makes an entry of a due-list due again later, so that those behind it get their turn. Does nothing once it is gone.
-- ARGV: list, entry, delay (ms)
-- needs: keys, steady
redis.call('ZADD', P .. ARGV[1], 'XX', now_ms() + tonumber(ARGV[3]), ARGV[2])
