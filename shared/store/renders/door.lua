-- The limit on what AR makes ahead of the DiT. AR runs ahead only so far, so that it never floods the DiT queue; but only its
-- own class and higher ones hold a class back, else a batch would close the door on an interactive render. Nor does another
-- model revision, which other workers may never come for.
-- needs: classes, keys, shares, workers

local function num_ahead(class, revision)
  local ahead = 0
  for rank = 0, CLASS[class] do
    ahead = ahead + tonumber(redis.call('HGET', P .. 'ahead', BY_RANK[rank + 1] .. '|' .. revision) or 0)
  end
  return ahead
end

-- Workers are counted only where it may matter.
local function limit_ahead(num, limit_min, now)
  return num < limit_min and limit_min or math.max(limit_min, 4 * live_slots('dit', now))
end

-- Returns a function that says whether a stage may begin something of a tenant. Nobody is kept back by others alone: everyone
-- may have a quarter of the limit waiting for the DiT, which is a render for each of its slots.
local function door_of(stage, class, revision, limit_min, now)
  local ahead = stage == 'ar' and num_ahead(class, revision) or 0
  local limit = limit_ahead(ahead, limit_min, now)
  return function(tenant)
    if stage ~= 'ar' or ahead < limit then return true end
    local own = redis.call('ZCARD', P .. 'waiting:dit:' .. class .. '|' .. tenant .. '|' .. revision)
    return own < math.max(1, math.floor(limit / 4))
  end
end
