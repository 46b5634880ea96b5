-- Removes a worker's announcement, so that its slots stop counting at once.
-- ARGV: queue, worker
-- needs: keys, open_places
redis.call('ZREM', P .. 'workers:' .. ARGV[1], ARGV[2])
redis.call('HDEL', P .. 'slots:' .. ARGV[1], ARGV[2])
redis.call('HDEL', P .. 'serves:' .. ARGV[1], ARGV[2])
redis.call('HDEL', P .. 'signs:' .. ARGV[1], ARGV[2])
forget_places(ARGV[1], ARGV[2])
return 1
