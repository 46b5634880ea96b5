-- Counts the renders that nobody has begun, of all APIs: those that wait for AR, for their prompt, or as re-renders for
-- the DiT. Reads every lane but no render. Returns the number.
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
-- Suspects are in no lane.
return math.max(waiting, num_waiting('ar'))
