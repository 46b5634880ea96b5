-- Makes deliveries to an endpoint due again that were abandoned in a time range. The one that was abandoned first comes
-- first.
-- ARGV: endpoint, tenant, from (ms, inclusive), to (ms, exclusive), maximum number of messages.
-- Returns {number of deliveries, `from` of the next call (ms)}, or an empty list when the tenant has no such endpoint.

-- needs: keys, clock, endpoint, outbox
local endpoint, tenant, from, to, most = unpack(ARGV)
if tenant_of_endpoint(endpoint) ~= tenant then return {} end
local now = now_ms()
local failed = redis.call('ZRANGEBYSCORE', P .. 'failed:' .. endpoint, from, '(' .. to, 'LIMIT', 0, most)
local num = 0
for _, message in ipairs(failed) do
  redis.call('ZREM', P .. 'failed:' .. endpoint, message)
  if redis.call('EXISTS', P .. 'message:' .. message) == 1 then
    deliver(message, endpoint, now, tenant)
    num = num + 1
  end
end
resume_destination(endpoint)
return { num, #failed < tonumber(most) and to or from }
