-- Computes the place of a waiting job: its renders in the least advanced stage, behind all that would be claimed earlier if
-- nothing more came. That is: higher classes, its tenant's renders of a lower rank, and other tenants' renders in its class
-- as far as their shares allow. The floor of a lower class is ignored.
-- Waiting renders are never scanned: each lane is counted, and its cost is taken in proportion.
-- ARGV: job
-- Returns JSON, or '' when none of its renders waits: stage, position (renders before its first), ar_ahead, dit_ahead
-- and dit_later (cost before its last render), and the strength of both stages.
local job = ARGV[1]
local now = now_ms()
local known = redis.call('HMGET', P .. 'job:' .. job, 'n', 'rank', 'lane')
local rank = known[2]
if not rank then return '' end
local own_class, own_tenant, revision = string.match(known[3], '^([^|]*)|([^|]*)|([^|]*)')

local waiting = { ar = {}, dit = {} }
for index = 0, tonumber(known[1]) - 1 do
  local render = job .. ':' .. string.format('%04d', index)
  local stage = WAITS[redis.call('HGET', P .. 'render:' .. render, 'state')]
  if stage then table.insert(waiting[stage], render) end
end
local stage = #waiting.ar > 0 and 'ar' or 'dit'
local own = waiting[stage]
if #own == 0 then return '' end

-- Members of equal score stand in the order of their names.
local function num_before(key, render)
  local low, high = redis.call('ZCOUNT', key, '-inf', '(' .. rank), redis.call('ZCOUNT', key, '-inf', rank)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if redis.call('ZRANGE', key, middle, middle)[1] < render then low = middle + 1 else high = middle end
  end
  return low
end

local function lane_total(total, lane)
  return tonumber(redis.call('HGET', P .. 'cost:' .. total, lane) or 0)
end

-- The lanes of a stage from which the same workers take: name, class, tenant, number of renders, and their cost.
local function lanes_of(of)
  local found = {}
  for _, lane in ipairs(redis.call('SMEMBERS', P .. 'lanes:' .. of)) do
    local class, tenant, pinned = string.match(lane, '^([^|]*)|([^|]*)|([^|]*)')
    local size = redis.call('ZCARD', P .. 'waiting:' .. of .. ':' .. lane)
    if size > 0 and (pinned == revision or pinned == '' or revision == '') then
      table.insert(found, { name = lane, class = class, tenant = tenant, size = size, cost = lane_total(of, lane) })
    end
  end
  return found
end

local function tag_in(of, tenant)
  local pool = of .. ':' .. own_class .. '|' .. revision
  return math.max(clock_of(pool), tag_of(pool, tenant) or 0)
end

-- Of another tenant's waiting renders, the part that is claimed while its tag is lower than `tag`.
local function part_of_other(of, tenant, waiting, tag)
  local pool = of .. ':' .. own_class .. '|' .. revision
  local own, other = member_of(pool, own_tenant), member_of(pool, tenant)
  local toll = toll_of(tenant, waiting.cost) / waiting.size
  local tolls = toll > 0 and math.floor((tag - tag_in(of, tenant)) / toll * 1e6 + 0.5) / 1e6 or 0
  local goes_first = not own or (other and other < own)
  local num = goes_first and math.floor(tolls) + 1 or math.ceil(tolls)
  return math.max(0, math.min(1, num / waiting.size))
end

-- Renders of a stage before this one that the same workers take, and their totals of cost.
local function ahead(of, render, ...)
  local lanes, tag, others, parts = lanes_of(of), tag_in(of, own_tenant), {}, {}
  for _, lane in ipairs(lanes) do
    if lane.class ~= own_class then
      parts[lane.name] = CLASS[lane.class] < CLASS[own_class] and 1 or 0
    elseif lane.tenant == own_tenant then
      parts[lane.name] = num_before(P .. 'waiting:' .. of .. ':' .. lane.name, render) / lane.size
      tag = tag + toll_of(own_tenant, parts[lane.name] * lane.cost)
    else
      local sum = others[lane.tenant] or { size = 0, cost = 0 }
      others[lane.tenant] = { size = sum.size + lane.size, cost = sum.cost + lane.cost }
    end
  end
  for tenant, waiting in pairs(others) do others[tenant] = part_of_other(of, tenant, waiting, tag) end
  local count, sums = 0, { 0, 0 }
  for _, lane in ipairs(lanes) do
    local part = parts[lane.name] or others[lane.tenant]
    count = count + part * lane.size
    for i, total in ipairs({ ... }) do sums[i] = sums[i] + part * lane_total(total, lane.name) end
  end
  return math.floor(count + 0.5), sums[1], sums[2]
end

local last = own[#own]
local found = { stage = stage, ar_ahead = 0, dit_later = 0,
  ar = strength('ar', revision, now), dit = strength('dit', revision, now) }
local _
found.position = ahead(stage, own[1])
if stage == 'ar' then _, found.ar_ahead, found.dit_later = ahead('ar', last, 'ar', 'dit_later') end
_, found.dit_ahead = ahead('dit', last, 'dit')
return cjson.encode(found)
