-- Objects with latents of unfinished renders whose time is over. Each stays here until it is deleted.
-- ARGV: most at once
-- needs: keys, steady
return redis.call('ZRANGEBYSCORE', P .. 'handovers', '-inf', now_ms(), 'LIMIT', 0, ARGV[1])
