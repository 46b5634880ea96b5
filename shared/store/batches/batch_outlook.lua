-- Collects the work that comes before the end of a tenant's batches of one class. The expected ends of the batches are
-- computed from it.
-- The work has three parts: the tenant's own batches in their order, the work of other tenants in the same class, and
-- the waiting work of higher classes. The script reads all lanes, at most MOST batches of other tenants, and no
-- renders.
-- ARGV: tenant, class.
-- Returns JSON:
--   own      the tenant's batches: id, waiting (number of lines that are no jobs yet), and the FIELDS below
--   lanes    cost of the tenant's waiting jobs: ar, dit
--   urgent   cost of the waiting renders of higher classes: ar, dit
--   others   for each other tenant: weight in the fair share, and cost of the waiting work: ar, dit
--   weight   the tenant's weight in the fair share
--   most_at_once  the tenant's limit of renders that run at once; absent if it has none
--   ar, dit  the capacity of each stage (see throughput.lua)
--   now      the time now (ms)

-- needs: classes, keys, clock, batch_order, throughput, workers
local MOST = 2000
local tenant, class = unpack(ARGV)
local now = now_ms()
local FIELDS = { 'renders', 'cost_lines', 'cost_pictures', 'cost_ar', 'cost_dit', 'todo_ar', 'todo_dit', 'rate_ms',
  'rate_ended', 'order', 'finish_by_ms', 'completed', 'failed' }

local function weight_of(one)
  return tonumber(redis.call('HGET', P .. 'limits:' .. one, 'weight') or 1)
end

local others, urgent, lanes = {}, { ar = 0, dit = 0 }, { ar = 0, dit = 0 }

-- Returns the table that sums the waiting cost of a tenant.
local function sum_of(one)
  if one == tenant then return lanes end
  if not others[one] then others[one] = { weight = weight_of(one), ar = 0, dit = 0 } end
  return others[one]
end

for total, stage in pairs({ ar = 'ar', dit = 'dit', dit_later = 'dit' }) do
  local flat = redis.call('HGETALL', P .. 'cost:' .. total)
  for i = 1, #flat, 2 do
    local of_class, one = string.match(flat[i], '^([^|]*)|([^|]*)|')
    local rank = of_class and CLASS[of_class]
    local sum = rank and (rank < CLASS[class] and urgent or rank == CLASS[class] and sum_of(one))
    if sum then sum[stage] = sum[stage] + tonumber(flat[i + 1]) end
  end
end

for _, batch in ipairs(redis.call('ZRANGE', P .. 'batch_work', 0, MOST - 1)) do
  local known = batch_fields(batch, 'tenant', 'todo_ar', 'todo_dit', 'paused')
  local is_other = known[1] and known[1] ~= tenant and known[2] and not known[4]
  if is_other and class_of_batch(batch) == class and num_waiting_lines(batch) > 0 then
    local sum = sum_of(known[1])
    sum.ar, sum.dit = sum.ar + math.max(0, tonumber(known[2])), sum.dit + math.max(0, tonumber(known[3]))
  end
end

local own = {}
for _, batch in ipairs(redis.call('ZRANGE', order_key(class, tenant), 0, MOST - 1)) do
  local known, entry = batch_fields(batch, unpack(FIELDS)), { id = batch, waiting = num_waiting_lines(batch) }
  for i, name in ipairs(FIELDS) do entry[name] = known[i] or nil end
  table.insert(own, entry)
end

local found = { lanes = lanes, urgent = urgent, others = {}, weight = weight_of(tenant),
  now = string.format('%.0f', now), ar = stage_capacity('ar', live_workers('ar', now), now),
  dit = stage_capacity('dit', live_workers('dit', now), now) }
for _, other in pairs(others) do table.insert(found.others, other) end
found.own = own
found.most_at_once = tonumber(redis.call('HGET', P .. 'limits:' .. tenant, 'concurrent_renders') or nil)
-- cjson encodes an empty list as an empty object: readers accept both.
return cjson.encode(found)
