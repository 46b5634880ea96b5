-- Names an object with the latents of an unfinished render before it is stored, so that upkeep deletes it in any case.
-- ARGV: object, for how long it is kept (ms)
-- needs: keys, steady
redis.call('ZADD', P .. 'handovers', now_ms() + tonumber(ARGV[2]), ARGV[1])
