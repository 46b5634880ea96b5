-- Functions that limit the renders that AR finishes ahead of the DiT, so that AR never floods the DiT's queue.
-- For a class, only waiting renders of this class and of higher classes count. Otherwise a batch could stop interactive
-- renders. Renders of another model revision do not count, because workers of that revision may never come, and neither
-- do renders that no live DiT worker can render.
-- Renders of all sizes share one limit. Renders of larger size classes (sizes.lua) may take only a part of it: the share
-- of the DiT slots that can render them. So they never stop AR for small DiT workers.

-- needs: classes, keys, sizes, workers

local counts_known = {} -- the hash gridpress:ahead, as `all`
-- Returns the number of renders of a class and higher classes that AR has finished and the DiT has not begun, by size
-- class, and their sum. The hash is read once in a script.
local function counts_ahead(class, revision)
  counts_known.all = counts_known.all or all_of(P .. 'ahead')
  local by_size, sum = { [''] = 0 }, 0
  for field, num in pairs(counts_known.all) do
    local of, served, size = string.match(field, '^([^|]*)|([^|]*)|?([^|]*)$')
    if served == revision and CLASS[of] and CLASS[of] <= CLASS[class] then
      by_size[size] = (by_size[size] or 0) + tonumber(num)
      sum = sum + tonumber(num)
    end
  end
  return by_size, sum
end

-- Returns the limit over all sizes. Workers are counted only if their number may matter, and only until the limit exceeds
-- `num`.
local function limit_ahead(num, limit_min, now)
  if num < limit_min then return limit_min end
  return math.max(limit_min, 4 * live_slots('dit', now, math.floor(num / 4) + 1))
end

-- Returns the part of the limit over all sizes for a larger size class and all that are larger than ordinary: the share of
-- the DiT slots that can render it, but at least 1. It is 0 while DiT workers of the revision live and none can render it.
local function limit_of_size(size, revision, limit_min, now)
  local room = room_of('dit', revision, now)
  local num, total = slots_for_size(room, size)
  if not num then return limit_min end
  return math.ceil(math.max(limit_min, 4 * room.slots) * num / total)
end

-- Returns the numbers of `by_size` without sizes that no live DiT worker of the revision can render.
local function of_live_workers(by_size, revision, now)
  local found, room = { [''] = 0 }, room_of('dit', revision, now)
  for size, num in pairs(by_size) do
    if num > 0 and slots_for_size(room, size) ~= 0 then found[size] = num end
  end
  return found
end

local function sum_of(by_size)
  local sum = 0
  for _, num in pairs(by_size) do sum = sum + num end
  return sum
end

-- Returns the token grids that count for the limit of a size class: their numbers by size class. Workers are read only if
-- larger grids wait and may matter. For a larger size they always may, since its limit is only a part of the limit.
local function counted_ahead(class, revision, limit_min, now, size)
  local by_size, sum = counts_ahead(class, revision)
  if sum == by_size[''] or (size == '' and sum < limit_min) then return by_size, sum end
  local counted = of_live_workers(by_size, revision, now)
  return counted, sum_of(counted)
end

-- Returns the number of a tenant's renders of a class that wait for the DiT, of the sizes that `by_size` has. With
-- `size`, only of this size.
local function num_own(class, tenant, revision, by_size, size)
  local num, lane = 0, P .. 'waiting:dit:' .. class .. '|' .. tenant .. '|' .. revision
  if size then return redis.call('ZCARD', lane .. suffix_of(size)) end
  for each, waiting in pairs(by_size) do
    if waiting > 0 then num = num + redis.call('ZCARD', lane .. suffix_of(each)) end
  end
  return num
end

-- Returns a function that returns whether a stage may begin a render of a size class and a tenant. Other tenants alone
-- never hold a tenant back: every tenant may have a quarter of the limit waiting for the DiT, which is one render for
-- each DiT slot. And a tenant's other sizes alone never hold one size back: one render of each may wait.
local function ahead_check(stage, class, revision, limit_min, now, size)
  if stage ~= 'ar' then return function() return true end end
  local by_size, sum = counted_ahead(class, revision, limit_min, now, size)
  local limit_of_all = limit_ahead(sum, limit_min, now)
  local limit_of_this = size == '' and limit_of_all or limit_of_size(size, revision, limit_min, now)
  if limit_of_this == 0 then return function() return false end end
  local num_larger = sum - by_size['']
  local is_full = sum >= limit_of_all or (size ~= '' and num_larger >= limit_of_this)
  return function(tenant)
    return not is_full or num_own(class, tenant, revision, by_size, size) == 0
      or num_own(class, tenant, revision, by_size) < math.max(1, math.floor(limit_of_this / 4))
  end
end
