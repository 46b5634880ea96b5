-- Restores the records of an ended job from its manifest (JSON description), for a store that has lost them. The script
-- sends no webhook message and queues no render. The job's retention starts again.
-- Arguments (ARGV):
--   1 to 3: job, tenant, status
--   4: fields of the job's hash (JSON)
--   then for each render: its id, and the fields of its hash (JSON)
-- Returns 1, or 0 when the store already has the job, or its index entry (kept.lua).

-- needs: keys, clock, events, inputs, kept, stored
local job, tenant, status, fields = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local key = P .. 'job:' .. job
if redis.call('EXISTS', key) == 1 or find_kept(job, tenant) then return 0 end

local function write(hash, text)
  for name, value in pairs(cjson.decode(text)) do redis.call('HSET', hash, name, value) end
end

write(key, fields)
redis.call('HSET', key, 'left', 0)
use_inputs(job, redis.call('HGET', key, 'spec'))
redis.call('ZADD', P .. 'jobs:' .. tenant, 0, job)
redis.call('ZADD', P .. 'jobs:' .. tenant .. ':' .. status, 0, job)
redis.call('ZADD', P .. 'finished', now_ms(), job)
for i = 5, #ARGV, 2 do
  write(P .. 'render:' .. ARGV[i], ARGV[i + 1])
  count_stored(tenant, redis.call('HGET', P .. 'render:' .. ARGV[i], 'stored') or 0)
  redis.call('HINCRBY', key, 'num_' .. redis.call('HGET', P .. 'render:' .. ARGV[i], 'state'), 1)
end
local ends = redis.call('HMGET', key, 'finished_ms', 'delete_after_ms')
if ends[1] and ends[2] then redis.call('ZADD', P .. 'job_expiries', ends[1] + ends[2], job) end
append_event(job, 'job.' .. status, { status = status })
fold_events(job)
return 1
