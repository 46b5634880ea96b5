-- What decides how many hints a queue should hold. For 'delivery', waiting is what is due now.
-- ARGV: queue, key of the queue's Celery list
-- Returns {waiting, live slots, hints queued}.
local queue = ARGV[1]
local now = now_ms()
local waiting = queue == 'delivery' and redis.call('ZCOUNT', P .. 'deliveries', '-inf', now) or num_waiting(queue)
return { waiting, live_slots(queue, now), redis.call('LLEN', ARGV[2]) }
