-- What decides how many hints a queue should hold (hints.lua).
-- ARGV: queue, key of the queue's Celery list
-- Returns {waiting, live slots, hints queued}.
-- needs: steady, hints, workers
local now = now_ms()
return { num_due(ARGV[1], now), live_slots(ARGV[1], now), redis.call('LLEN', ARGV[2]) }
