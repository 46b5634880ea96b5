-- Computes what stands before a job that has not ended: before its renders in the least advanced stage, all that would be
-- claimed earlier if nothing more came, and what workers hold. Claimed earlier are: higher classes, its tenant's renders of a lower rank, and other tenants' renders in its class
-- as far as their shares allow. The floor of a lower class is ignored.
-- Waiting renders are never scanned: each lane is counted, and its cost is taken in proportion.
-- ARGV: job
-- Returns JSON, or '' when all its renders are final: stage, is_waiting (false: its least advanced renders are held),
-- position (renders before its first), num_ar, ar_ahead, num_dit, dit_ahead and dit_later (renders and cost before its last),
-- and both stages, each its strength and held: renders that workers hold (at most MOST_HELD), of its class or a higher one.
-- needs: classes, keys, steady, device_time, pace, shares, stages
local MOST_HELD = 128
local job = ARGV[1]
local now = now_ms()
local known = redis.call('HMGET', P .. 'job:' .. job, 'n', 'rank', 'lane')
local rank = known[2]
if not rank then return '' end
local own_class, own_tenant, revision = string.match(known[3], '^([^|]*)|([^|]*)|([^|]*)')

local waiting, running = { ar = {}, dit = {} }, { ar = {}, dit = {} }
for index = 0, tonumber(known[1]) - 1 do
  local render = job .. ':' .. string.format('%04d', index)
  local state = redis.call('HGET', P .. 'render:' .. render, 'state')
  if WAITS[state] then table.insert(waiting[WAITS[state]], render) end
  if RUNS[state] then table.insert(running[RUNS[state]], render) end
end
local stage, own, is_waiting
for _, each in ipairs({ 'ar', 'dit' }) do
  if not stage and #waiting[each] > 0 then stage, own, is_waiting = each, waiting[each], true end
  if not stage and #running[each] > 0 then stage, own, is_waiting = each, running[each], false end
end
if not stage then return '' end

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

-- What a worker holds, in its order: server, cost, used (ms), later_cost, is_own. Of the DiT's, the first is on the device.
local function add_held(found, of, worker, server)
  local since = of == 'dit' and tonumber(redis.call('HGET', P .. 'device_ms', worker) or now)
  local is_sound, held = pcall(device_order, of, worker)
  for index, each in ipairs(is_sound and held or {}) do -- broken records of others are no reason to fail
    if #found >= MOST_HELD or each.rank > CLASS[own_class] then return end
    local costs = redis.call('HMGET', P .. 'job:' .. each.job, of .. '_cost', 'dit_cost')
    local used = now - each.since
    if of == 'dit' then
      used = tonumber(redis.call('HGET', P .. 'render:' .. each.render, 'device_ms') or 0) + (index == 1 and now - since or 0)
    end
    table.insert(found, { server, tonumber(costs[1] or 0), used, of == 'ar' and tonumber(costs[2] or 0) or 0,
      each.job == job })
  end
end

local function held_in(of)
  local found, server = {}, 0
  for _, worker in ipairs(redis.call('ZRANGEBYSCORE', P .. 'workers:' .. of, '(' .. now, '+inf')) do
    if revision == '' or redis.call('HGET', P .. 'serves:' .. of, worker) == revision then
      add_held(found, of, worker, server)
      server = server + 1
      if #found >= MOST_HELD then break end
    end
  end
  return found
end

local last = own[#own]
local found = { stage = stage, is_waiting = is_waiting, position = 0, num_ar = 0, ar_ahead = 0, dit_later = 0,
  ar = strength('ar', revision, now), dit = strength('dit', revision, now) }
found.ar.held, found.dit.held = held_in('ar'), held_in('dit')
if is_waiting then found.position = ahead(stage, own[1]) end
if is_waiting and stage == 'ar' then found.num_ar, found.ar_ahead, found.dit_later = ahead('ar', last, 'ar', 'dit_later') end
found.num_dit, found.dit_ahead = ahead('dit', last, 'dit')
return cjson.encode(found)
