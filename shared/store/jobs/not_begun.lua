-- Returns the number of accepted renders of all tenants that no worker has begun. Most of them wait for AR or for the
-- enhancement of their prompt. Re-renders, which start from an existing token grid, wait for the DiT.
-- The script reads all lanes and no renders.

-- needs: keys, num_waiting
local tenants, waiting = {}, 0

for _, stage in ipairs({ 'ar', 'dit' }) do
  for _, lane in ipairs(redis.call('SMEMBERS', P .. 'lanes:' .. stage)) do
    if stage == 'ar' or string.sub(lane, -6) == '|again' then
      tenants[string.match(lane, '^[^|]*|([^|]*)|')] = true
    end
  end
end
for _, tenant in ipairs(redis.call('SMEMBERS', P .. 'enhancing')) do tenants[tenant] = true end

for tenant in pairs(tenants) do
  local queued = tonumber(redis.call('HGET', P .. 'load:' .. tenant, 'queued') or 0)
  if queued == 0 then redis.call('SREM', P .. 'enhancing', tenant) end
  waiting = waiting + queued
end
-- Suspects are in no lane, so their tenants may be missing here.
return math.max(waiting, num_waiting('ar'))
