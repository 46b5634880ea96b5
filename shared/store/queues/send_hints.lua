-- Sends the hints (Celery messages that wake workers) that a queue lacks. The script counts and sends in one atomic
-- step. So two senders together don't send more hints than one.
-- Arguments (ARGV):
--   1, 2: queue, key of the queue's Celery list
--   3: message of the hint
--   4: id that makes the ids of these hints unique
--   5: maximum number of hints
-- Returns the number of hints sent.

-- needs: clock, hints
local queue, list, message, id, most = unpack(ARGV)
return send_hints(queue, list, message, id, tonumber(most), now_ms())
