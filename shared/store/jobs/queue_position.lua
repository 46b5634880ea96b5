-- Computes the work that comes before the end of a job, for the estimate of that end. Only the job's renders in the
-- least advanced stage count.
-- The work has two parts:
--   - all renders that workers hold;
--   - all waiting renders that would be claimed earlier if no more work arrived. These are renders of higher classes,
--     renders of the same tenant with a lower rank, and renders of other tenants in the same class as far as their fair
--     shares allow. The work that lower classes get as their floor is ignored.
-- The script never reads all waiting renders. It counts the renders of each lane that come earlier, and takes the same
-- part of the lane's cost.
-- ARGV: job.
-- Returns '' when all renders of the job are final. Otherwise returns JSON:
--   stage, is_waiting   the least advanced stage of the job's renders; false if workers hold these renders
--   position            number of renders before the job's first render
--   num_ar, ar_ahead    number and cost of the renders in AR before the job's last render
--   num_dit, dit_ahead  the same for the DiT
--   dit_later           the DiT cost of the renders in AR before the job's last render
--   ar, dit             the capacity of each stage (see throughput.lua), and `held`: at most MOST_HELD renders that
--                       workers hold, of the job's class or a higher class

-- needs: classes, keys, clock, device_time, throughput, shares, stages
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

-- Returns the number of members of a sorted set before the render, by binary search among equal ranks, which sort by
-- name.
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

-- Returns the waiting lanes of a stage from which the same workers claim: name, class, tenant, number of renders, cost.
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

-- Returns a tenant's tag in the pool of the job's class and revision, at least the pool's clock.
local function tag_in(of, tenant)
  local pool = of .. ':' .. own_class .. '|' .. revision
  return math.max(clock_of(pool), tag_of(pool, tenant) or 0)
end

-- Returns the part of another tenant's waiting renders that is claimed before this tenant's tag reaches `tag` (0 to 1).
local function part_of_other(of, tenant, waiting, tag)
  local pool = of .. ':' .. own_class .. '|' .. revision
  local own, other = member_of(pool, own_tenant), member_of(pool, tenant)
  local increase = tag_increase(tenant, waiting.cost) / waiting.size
  local num_increases = increase > 0 and math.floor((tag - tag_in(of, tenant)) / increase * 1e6 + 0.5) / 1e6 or 0
  local goes_first = not own or (other and other < own)
  local num = goes_first and math.floor(num_increases) + 1 or math.ceil(num_increases)
  return math.max(0, math.min(1, num / waiting.size))
end

-- Returns the number of renders of a stage that the same workers claim before this render, and sums of their costs.
local function ahead(of, render, ...)
  local lanes, tag, others, parts = lanes_of(of), tag_in(of, own_tenant), {}, {}
  for _, lane in ipairs(lanes) do
    if lane.class ~= own_class then
      parts[lane.name] = CLASS[lane.class] < CLASS[own_class] and 1 or 0
    elseif lane.tenant == own_tenant then
      parts[lane.name] = num_before(P .. 'waiting:' .. of .. ':' .. lane.name, render) / lane.size
      tag = tag + tag_increase(own_tenant, parts[lane.name] * lane.cost)
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

-- Appends the renders that a worker holds, in its order: server, cost, time used (ms), later cost (DiT), is_own. For
-- the DiT, the first render is on the device.
local function add_held(found, of, worker, server)
  local since = of == 'dit' and tonumber(redis.call('HGET', P .. 'device_ms', worker) or now)
  local is_readable, held = pcall(device_order, of, worker)
  for index, each in ipairs(is_readable and held or {}) do -- broken records of other renders must not fail this script
    if #found >= MOST_HELD or each.rank > CLASS[own_class] then return end
    local costs = redis.call('HMGET', P .. 'job:' .. each.job, of .. '_cost', 'dit_cost')
    local used = now - each.since
    if of == 'dit' then
      used = tonumber(redis.call('HGET', P .. 'render:' .. each.render, 'device_ms') or 0)
        + (index == 1 and now - since or 0)
    end
    table.insert(found, { server, tonumber(costs[1] or 0), used, of == 'ar' and tonumber(costs[2] or 0) or 0,
      each.job == job })
  end
end

-- Returns the renders that the live workers of a stage hold, for the job's revision.
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
  ar = stage_capacity('ar', revision, now), dit = stage_capacity('dit', revision, now) }
found.ar.held, found.dit.held = held_in('ar'), held_in('dit')
if is_waiting then found.position = ahead(stage, own[1]) end
if is_waiting and stage == 'ar' then
  found.num_ar, found.ar_ahead, found.dit_later = ahead('ar', last, 'ar', 'dit_later')
end
found.num_dit, found.dit_ahead = ahead('dit', last, 'dit')
return cjson.encode(found)
