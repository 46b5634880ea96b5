-- Writes a final job that the store has lost, from its manifest. It sends no message and touches no lane; the job's retention
-- starts anew.
-- ARGV: job, tenant, status, fields of its hash (JSON), then per render: render, fields of its hash (JSON)
-- Returns 1, or 0 when the store has the job.
-- needs: keys, steady, events
local job, tenant, status, fields = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local key = P .. 'job:' .. job
if redis.call('EXISTS', key) == 1 then return 0 end

local function write(hash, text)
  for name, value in pairs(cjson.decode(text)) do redis.call('HSET', hash, name, value) end
end

write(key, fields)
redis.call('HSET', key, 'left', 0)
redis.call('ZADD', P .. 'jobs:' .. tenant, 0, job)
redis.call('ZADD', P .. 'jobs:' .. tenant .. ':' .. status, 0, job)
redis.call('ZADD', P .. 'finished', now_ms(), job)
for i = 5, #ARGV, 2 do
  write(P .. 'render:' .. ARGV[i], ARGV[i + 1])
  redis.call('HINCRBY', key, 'num_' .. redis.call('HGET', P .. 'render:' .. ARGV[i], 'state'), 1)
end
append_event(job, 'job.' .. status, { status = status })
return 1
