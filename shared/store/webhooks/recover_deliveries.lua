-- Makes due again what was given up for an endpoint, the earliest first.
-- ARGV: endpoint, tenant, from, to (ms; `to` is not part of it), how many at once
-- Returns {number of deliveries, from where to go on (ms)}, or an empty list when there is no such endpoint.
-- needs: keys, steady, endpoint, outbox
local endpoint, tenant, from, to, most = unpack(ARGV)
if tenant_of_endpoint(endpoint) ~= tenant then return {} end
local now = now_ms()
local failed = redis.call('ZRANGEBYSCORE', P .. 'failed:' .. endpoint, from, '(' .. to, 'LIMIT', 0, most)
local num = 0
for _, message in ipairs(failed) do
  redis.call('ZREM', P .. 'failed:' .. endpoint, message)
  if redis.call('EXISTS', P .. 'message:' .. message) == 1 then
    deliver(message, endpoint, now)
    num = num + 1
  end
end
wake_destination(endpoint)
return { num, #failed < tonumber(most) and to or from }
