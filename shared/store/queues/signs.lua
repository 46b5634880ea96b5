-- Sums the signs of health of the live workers of some queues.
-- ARGV: silence after which a worker counts as deaf (ms), then queues
-- Returns per queue: workers, deaf ones, work found without a hint, restarts of consumers, unexpected errors survived.
-- needs: keys, steady
local now, answer = now_ms(), {}
for i = 2, #ARGV do
  local queue = ARGV[i]
  local sums = { 0, 0, 0, 0, 0 }
  for _, worker in ipairs(redis.call('ZRANGEBYSCORE', P .. 'workers:' .. queue, '(' .. now, '+inf')) do
    local signs = cjson.decode(redis.call('HGET', P .. 'signs:' .. queue, worker) or '[0,0,0,0]')
    sums[1] = sums[1] + 1
    if signs[1] > tonumber(ARGV[1]) then sums[2] = sums[2] + 1 end
    for k = 2, 4 do sums[k + 1] = sums[k + 1] + signs[k] end
  end
  answer[i - 1] = sums
end
return answer
