-- Makes messages of a time range due again for an endpoint, whether they were delivered or not. Only messages of the
-- types to which the endpoint subscribes are included. The earliest message comes first.
-- ARGV: endpoint, tenant, from (ms, inclusive), to (ms, exclusive), maximum number of messages to read.
-- Returns {number of deliveries, `from` of the next call (ms)}, or an empty list when the tenant has no such endpoint.

-- needs: keys, clock, endpoint, outbox
local endpoint, tenant, from, to, most = unpack(ARGV)
if tenant_of_endpoint(endpoint) ~= tenant then return {} end
local key, now, num, wanted = P .. 'messages:' .. tenant, now_ms(), 0, {}
local types = redis.call('HGET', P .. 'subscriptions:' .. tenant, endpoint) or '[]'
for _, type in ipairs(cjson.decode(types)) do wanted[type] = true end

local found = redis.call('ZRANGEBYSCORE', key, from, '(' .. to, 'WITHSCORES', 'LIMIT', 0, most)
local next_from = to
if #found == 2 * tonumber(most) then
  -- More messages of the last millisecond may follow after the limit. Reads all of them; the next call starts one
  -- millisecond later.
  local last = found[#found]
  found = redis.call('ZRANGEBYSCORE', key, from, last, 'WITHSCORES')
  next_from = tonumber(last) + 1
end
for i = 1, #found, 2 do
  if wanted[redis.call('HGET', P .. 'message:' .. found[i], 'type') or ''] then
    deliver(found[i], endpoint, now, tenant)
    num = num + 1
  end
end
resume_destination(endpoint)
return { num, next_from }
