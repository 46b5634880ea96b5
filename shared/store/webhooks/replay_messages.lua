-- Makes due again what happened in a time and an endpoint listens to, the earliest first.
-- ARGV: endpoint, tenant, from, to (ms; `to` is not part of it), how many to look at
-- Returns {number of deliveries, from where to go on (ms)}, or an empty list when there is no such endpoint.
-- needs: keys, steady, endpoint, outbox
local endpoint, tenant, from, to, most = unpack(ARGV)
if tenant_of_endpoint(endpoint) ~= tenant then return {} end
local key, now, num, wanted = P .. 'messages:' .. tenant, now_ms(), 0, {}
local types = redis.call('HGET', P .. 'subscriptions:' .. tenant, endpoint) or '[]'
for _, type in ipairs(cjson.decode(types)) do wanted[type] = true end

local found = redis.call('ZRANGEBYSCORE', key, from, '(' .. to, 'WITHSCORES', 'LIMIT', 0, most)
local next_from = to
if #found == 2 * tonumber(most) then
  -- Those of the last moment may go on behind the limit: all of them, and on with the next.
  local last = found[#found]
  found = redis.call('ZRANGEBYSCORE', key, from, last, 'WITHSCORES')
  next_from = tonumber(last) + 1
end
for i = 1, #found, 2 do
  if wanted[redis.call('HGET', P .. 'message:' .. found[i], 'type') or ''] then
    deliver(found[i], endpoint, now)
    num = num + 1
  end
end
wake_destination(endpoint)
return { num, next_from }
