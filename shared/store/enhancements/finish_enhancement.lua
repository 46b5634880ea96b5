-- Ends an attempt to enhance a prompt; refuses unless the holder is current and no outcome is stored yet.
-- ARGV: job, holder, status ('succeeded', 'failed' or 'pending'), revised prompt or error (JSON), delay until the next
-- attempt (ms)
-- Returns 1, or 0 when the lease was lost or the job has ended.
-- needs: keys, steady, decide, duties, enhancement
local job, holder, status, text, delay = unpack(ARGV)
end_duty(holder, 'e|' .. job)
local known = redis.call('HMGET', P .. 'job:' .. job, 'enhancement', 'enhancement_holder')
if known[1] ~= 'pending' or known[2] ~= holder then return 0 end
if status == 'pending' then
  redis.call('ZADD', enhancements_of(job), now_ms() + tonumber(delay), job)
else
  end_enhancement(job, status, text)
end
return 1
