-- Functions that limit the renders that AR finishes ahead of the DiT, so that AR never floods the DiT's queue.
-- For a class, only waiting renders of this class and of higher classes count. Otherwise a batch could stop interactive
-- renders. Renders of another model revision do not count, because workers of that revision may never come. Each size
-- class is counted by itself, because perhaps only few DiT workers can render it.

-- needs: classes, keys, shares, sizes, workers

-- Returns the number of renders of a class and higher classes that AR has finished and the DiT has not begun.
local function num_ahead(class, revision, size)
  local ahead, rest = 0, '|' .. revision .. suffix_of(size)
  for rank = 0, CLASS[class] do
    ahead = ahead + tonumber(redis.call('HGET', P .. 'ahead', BY_RANK[rank + 1] .. rest) or 0)
  end
  return ahead
end

-- Returns the limit. Workers are counted only if their number may matter, and only until the limit exceeds `num`.
local function limit_ahead(num, limit_min, now)
  if num < limit_min then return limit_min end
  return math.max(limit_min, 4 * live_slots('dit', now, math.floor(num / 4) + 1))
end

-- Returns the limit of a larger size class. It is 0 while DiT workers of the revision live and none can render the size.
local function limit_of_size(size, revision, limit_min, now)
  local slots, is_any_alive = slots_for_size('dit', revision, size, now)
  if slots == 0 then return is_any_alive and 0 or limit_min end
  return math.max(limit_min, 4 * slots)
end

-- Returns a function that returns whether a stage may begin a render of a size class and a tenant. Other tenants alone
-- never hold a tenant back: every tenant may have a quarter of the limit waiting for the DiT, which is one render for
-- each DiT slot.
local function ahead_check(stage, class, revision, limit_min, now, size)
  if stage ~= 'ar' then return function() return true end end
  local ahead = num_ahead(class, revision, size)
  local limit = size == '' and limit_ahead(ahead, limit_min, now) or limit_of_size(size, revision, limit_min, now)
  return function(tenant)
    if ahead < limit then return true end
    local own = redis.call('ZCARD', P .. 'waiting:dit:' .. class .. '|' .. tenant .. '|' .. revision .. suffix_of(size))
    return limit > 0 and own < math.max(1, math.floor(limit / 4))
  end
end
