-- Forgets finished jobs whose time in the store is over. Their pictures and manifests stay in the object store.
-- ARGV: retention (ms), most jobs at once
-- Returns the number of jobs forgotten.
local over = redis.call('ZRANGEBYSCORE', P .. 'finished', '-inf', now_ms() - tonumber(ARGV[1]), 'LIMIT', 0, ARGV[2])
for _, job in ipairs(over) do
  local key = P .. 'job:' .. job
  local known = redis.call('HMGET', key, 'tenant', 'status', 'n')
  if known[1] then
    for index = 0, tonumber(known[3]) - 1 do
      local render = job .. ':' .. string.format('%04d', index)
      redis.call('DEL', P .. 'render:' .. render, P .. 'crashes:' .. render)
      redis.call('ZREM', P .. 'dead:' .. known[1], render)
    end
    redis.call('ZREM', P .. 'jobs:' .. known[1], job)
    redis.call('ZREM', P .. 'jobs:' .. known[1] .. ':' .. known[2], job)
    for _, delivery in ipairs(deliveries_of(job, known[2])) do
      redis.call('ZREM', P .. 'deliveries', delivery)
      redis.call('DEL', P .. 'delivery:' .. delivery)
    end
  end
  redis.call('DEL', key, P .. 'events:' .. job)
  redis.call('ZREM', P .. 'finished', job)
end
return #over
