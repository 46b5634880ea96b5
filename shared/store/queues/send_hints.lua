-- Sends the hints that a queue lacks, which nobody else can do in between.
-- ARGV: queue, key of the queue's Celery list, message, id, most
-- Returns how many were sent.
-- needs: steady, hints
local queue, list, message, id, most = unpack(ARGV)
return send_hints(queue, list, message, id, tonumber(most), now_ms())
