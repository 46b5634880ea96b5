-- Lets jobs go on with the prompt as it is for which no worker came: none lives, and they are due for longer than that.
-- While one lives, they wait their turn, however long the queue. After the store stood still, workers beat first.
-- ARGV: patience (ms), most jobs at once, error (JSON)
-- Returns the number of jobs.
-- needs: classes, keys, steady, due, enhancement, pulse, workers
local patience, most, error = unpack(ARGV)
local now = now_ms()
local ttl = redis.call('HGET', P .. 'pulse', 'ttl_ms')
if ttl and not feel_pulse(now, tonumber(ttl)) then return 0 end
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
