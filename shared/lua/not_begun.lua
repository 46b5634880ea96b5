-- How many renders wait that nobody has begun, through whichever door they came: for AR, for their prompt, or for the DiT
-- as re-renders. It costs a look at every lane, not at a render. Returns the number.
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
