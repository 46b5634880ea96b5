-- Queues jobs for AR with their original prompt while no worker enhances prompts. A job is queued once it has been due
-- for longer than the patience and no such worker lives. While one lives, jobs wait for it, even in a long queue.
-- After an outage of the store, the script does nothing until workers could send a heartbeat (see pulse.lua).
-- ARGV: patience (ms), maximum number of jobs of each class, error to store with the jobs (JSON).
-- Returns the number of jobs.

-- needs: classes, keys, clock, due, enhancement, pulse, workers
local patience, most, error = unpack(ARGV)
local now = now_ms()
local ttl = redis.call('HGET', P .. 'pulse', 'ttl_ms')
if ttl and not check_pulse(now, tonumber(ttl)) then return 0 end
if live_slots('enhance', now) > 0 then return 0 end
local count = 0
for class in pairs(CLASS) do
  local function abandon(job)
    end_enhancement(job, 'failed', error)
    count = count + 1
  end
  each_due(P .. 'enhancements:' .. class, now - tonumber(patience), most, abandon)
end
return count
