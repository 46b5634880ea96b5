-- Ends an attempt to enhance a job's prompt. Leaves the job unchanged if the lease was lost or an outcome is stored
-- already.
-- Arguments (ARGV):
--   1, 2: job, holder of the lease
--   3: status: 'succeeded', 'failed', or 'pending' for another attempt
--   4: the revised prompt for 'succeeded', the error (JSON) for 'failed', else ''
--   5: delay until the next attempt (ms)
-- Returns 1, or 0 when the job was left unchanged.

-- needs: keys, clock, decide, duties, enhancement
local job, holder, status, text, delay = unpack(ARGV)
remove_duty(holder, 'e|' .. job)
local known = redis.call('HMGET', P .. 'job:' .. job, 'enhancement', 'enhancement_holder')
if known[1] ~= 'pending' or known[2] ~= holder then return 0 end
if status == 'pending' then
  redis.call('ZADD', enhancements_of(job), now_ms() + tonumber(delay), job)
else
  end_enhancement(job, status, text)
end
return 1
