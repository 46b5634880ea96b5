-- Functions that limit the renders that AR finishes ahead of the DiT, so that AR never floods the DiT's queue.
-- For a class, only waiting renders of this class and of higher classes count. Otherwise a batch could stop interactive
-- renders. Renders of another model revision do not count, because workers of that revision may never come.

-- needs: classes, keys, shares, workers

-- Returns the number of renders of a class and higher classes that AR has finished and the DiT has not begun.
local function num_ahead(class, revision)
  local ahead = 0
  for rank = 0, CLASS[class] do
    ahead = ahead + tonumber(redis.call('HGET', P .. 'ahead', BY_RANK[rank + 1] .. '|' .. revision) or 0)
  end
  return ahead
end

-- Returns the limit. Workers are counted only if their number may matter, and only until the limit exceeds `num`.
local function limit_ahead(num, limit_min, now)
  if num < limit_min then return limit_min end
  return math.max(limit_min, 4 * live_slots('dit', now, math.floor(num / 4) + 1))
end

-- Returns a function that returns whether a stage may begin a render of a tenant. Other tenants alone never hold a
-- tenant back: every tenant may have a quarter of the limit waiting for the DiT, which is one render for each DiT slot.
local function ahead_check(stage, class, revision, limit_min, now)
  local ahead = stage == 'ar' and num_ahead(class, revision) or 0
  local limit = limit_ahead(ahead, limit_min, now)
  return function(tenant)
    if stage ~= 'ar' or ahead < limit then return true end
    local own = redis.call('ZCARD', P .. 'waiting:dit:' .. class .. '|' .. tenant .. '|' .. revision)
    return own < math.max(1, math.floor(limit / 4))
  end
end
