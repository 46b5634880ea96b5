-- Returns the backlog of a queue: the three numbers that decide how many hints (Celery messages that wake workers) it
-- should have (hints.lua).
-- ARGV: queue, key of the queue's Celery list.
-- Returns {waiting work, slots of live workers, hints in the queue}. For the queues `ar` and `dit` the waiting work is
-- the number of waiting renders. For the other queues it is the number of entries that are due now: jobs for `enhance`,
-- manifests and tenants with due webhook deliveries for `delivery`, batches for `batch`.

-- needs: clock, hints, workers
local now = now_ms()
return { num_due(ARGV[1], now), live_slots(ARGV[1], now), redis.call('LLEN', ARGV[2]) }
