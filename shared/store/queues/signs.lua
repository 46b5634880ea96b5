-- Sums the health values of live workers for each of the given queues. Workers send these values with their heartbeats.
-- ARGV: limit (ms), then the queues. A worker counts as deaf if it has asked for no hint (Celery message) for longer
-- than this limit.
-- Returns five numbers for each queue: workers; deaf workers; renders that were found without a hint; restarts of
-- Celery consumers; unexpected errors that workers survived.

-- needs: keys, clock, workers
local now, answer = now_ms(), {}
for i = 2, #ARGV do
  local queue = ARGV[i]
  local sums, signs_of = { 0, 0, 0, 0, 0 }, all_of(P .. 'signs:' .. queue)
  for _, worker in ipairs(redis.call('ZRANGEBYSCORE', P .. 'workers:' .. queue, '(' .. now, '+inf')) do
    local signs = cjson.decode(signs_of[worker] or '[0,0,0,0]')
    sums[1] = sums[1] + 1
    if signs[1] > tonumber(ARGV[1]) then sums[2] = sums[2] + 1 end
    for k = 2, 4 do sums[k + 1] = sums[k + 1] + signs[k] end
  end
  answer[i - 1] = sums
end
return answer
