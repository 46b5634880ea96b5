-- Removes the announcement of a worker that ends, so that its slots stop counting at once. An operator's drain
-- of the worker ends with it.
-- ARGV: queue, worker.
-- Returns 1.

-- needs: keys, open_places
redis.call('ZREM', P .. 'workers:' .. ARGV[1], ARGV[2])
redis.call('HDEL', P .. 'slots:' .. ARGV[1], ARGV[2])
redis.call('HDEL', P .. 'serves:' .. ARGV[1], ARGV[2])
redis.call('HDEL', P .. 'signs:' .. ARGV[1], ARGV[2])
redis.call('HDEL', P .. 'sizes:' .. ARGV[1], ARGV[2])
redis.call('HDEL', P .. 'paused', 'worker:' .. ARGV[2])
remove_places(ARGV[1], ARGV[2])
return 1
