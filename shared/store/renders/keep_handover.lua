-- Records the key of an object before a worker saves the latents of an unfinished render in it. Then upkeep deletes the
-- object even if the worker dies.
-- ARGV: object, the longest time for which it is stored (ms).

-- needs: keys, clock
redis.call('ZADD', P .. 'handovers', now_ms() + tonumber(ARGV[2]), ARGV[1])
