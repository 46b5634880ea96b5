-- Returns the load and the capacity of both stages, AR and DiT. The script reads all lanes and all live workers, but
-- very few renders.
-- ARGV: the names of one model, with small letters (see of_model.lua). Only its renders and its workers then count;
-- the two averages and is_stalled are of the whole stage. Without ARGV everything counts.
-- Returns JSON, for ar and for dit:
--   the capacity of the stage (see throughput.lua)
--   waiting, waiting_cost   number and cost of waiting renders
--   coming_cost             cost in this stage of renders that wait for an earlier stage
--   unserved                model revision without live workers -> number of its waiting renders
--   too_large               size class that no live worker can render -> number of its waiting renders
--   sizes                   size classes that a live worker can render (sizes.lua) -> number of these workers
--   open                    the work that one more worker could begin (see open_work.lua)
--   orphans                 renders that have not been recovered yet although the announcement of their worker has
--                           expired
--   last_slots              slots of the worker that sent the last heartbeat
--   ahead                   number of renders that wait for the DiT. With too many of them AR begins no more (see
--                           ahead_limit.lua)
--   is_stalled              see stalls.lua

-- needs: keys, clock, of_model, open_work, sizes, throughput, stages, workers
local now = now_ms()
local is_own = model_check(ARGV)

-- Returns the costs by lane, and their sum.
local function costs_of(total)
  local costs, sum, flat = {}, 0, redis.call('HGETALL', P .. 'cost:' .. total)
  for i = 1, #flat, 2 do
    if is_own(string.match(flat[i], '^[^|]*|[^|]*|([^|]*)') or '') then
      costs[flat[i]] = tonumber(flat[i + 1])
      sum = sum + costs[flat[i]]
    end
  end
  return costs, sum
end

-- Returns the number of waiting renders by model revision, for revisions that no live worker serves.
local function unserved_of(lanes, workers)
  local served, unserved, any = {}, {}, false
  for _, worker in ipairs(workers) do
    if worker.revision and worker.slots > 0 then served[worker.revision], any = true, true end
  end
  for _, lane in ipairs(lanes) do
    local is_served = served[lane.revision] or (lane.revision == '' and any)
    if not is_served then unserved[lane.revision] = (unserved[lane.revision] or 0) + lane.num end
  end
  return unserved
end

-- Returns a function that returns whether a live worker can render what waits in a lane. It is true for a revision
-- without live workers, which `unserved` counts.
local function fit_check(workers)
  local known = {}
  local function look(lane)
    local is_served = false
    for _, worker in ipairs(workers) do
      if worker.slots > 0 and worker.revision and (lane.revision == '' or lane.revision == worker.revision) then
        if can_render(worker.sizes, lane.size) then return true end
        is_served = true
      end
    end
    return not is_served
  end
  return function(lane)
    if lane.size == '' then return true end
    local name = lane.revision .. '|' .. lane.size
    if known[name] == nil then known[name] = look(lane) end
    return known[name]
  end
end

-- Adds the waiting renders of lanes that do not fit, or suspects that do not fit, to `found`, by size class.
local function add_too_large(found, lanes, fits)
  for _, lane in ipairs(lanes) do
    if not fits(lane) then found[lane.size] = (found[lane.size] or 0) + lane.num end
  end
end

local function num_by_sizes(workers)
  local found = {}
  for _, worker in ipairs(workers) do
    if worker.slots > 0 then found[worker.sizes] = (found[worker.sizes] or 0) + 1 end
  end
  return found
end

-- Returns the number of renders held by workers whose announcement has expired.
local function num_orphans(stage)
  local num = 0
  for _, worker in ipairs(redis.call('ZRANGEBYSCORE', P .. 'workers:' .. stage, '-inf', now)) do
    if is_own(redis.call('HGET', P .. 'serves:' .. stage, worker) or '') then
      num = num + redis.call('SCARD', P .. 'held:' .. worker)
    end
  end
  return num
end

-- Returns the number of token grids that count for AR's limit (ahead_limit.lua): without those that no live DiT worker
-- can render.
local function num_made_ahead(served, fits)
  local ahead, flat = 0, redis.call('HGETALL', P .. 'ahead')
  for i = 1, #flat, 2 do
    local revision, size = string.match(flat[i], '^[^|]*|([^|]*)|?([^|]*)$')
    local is_counted = revision and (not served or served[revision]) and fits({ revision = revision, size = size })
    if is_counted then ahead = ahead + tonumber(flat[i + 1]) end
  end
  return ahead
end

local OTHER = { ar = 'dit', dit = 'ar' }
local later_costs, later_cost = costs_of('dit_later')
local workers_of, lanes_to, suspects_to, costs_in, cost_in = {}, {}, {}, {}, {}
for stage in pairs(OTHER) do
  workers_of[stage] = of_model(is_own, live_workers(stage, now))
  lanes_to[stage] = of_model(is_own, lanes_of(stage))
  costs_in[stage], cost_in[stage] = costs_of(stage)
  suspects_to[stage] = of_model(is_own, suspects_of(stage, costs_in[stage], stage == 'ar' and later_costs or {}))
end

-- Returns the number of waiting suspects. They are in no lane.
local function num_suspects(stage)
  return #ARGV == 0 and redis.call('ZCARD', P .. 'quarantine:' .. stage) or #suspects_to[stage]
end

-- Returns the revisions whose renders one more worker could begin; nil for all.
local function served_in(stage)
  if #ARGV == 0 then return served_revisions(stage, workers_of[stage]) end
  local live, others = revisions_of(workers_of[stage]), revisions_of(workers_of[OTHER[stage]])
  return served_of_model(ARGV, is_own, stage, live, others, lanes_to[stage])
end

local fits_ar, fits_dit = fit_check(workers_of.ar), fit_check(workers_of.dit)
local fits_in = { ar = function(lane) return fits_ar(lane) and fits_dit(lane) end, dit = fits_dit }

-- Returns the number of waiting renders by size class that no live worker of a stage can render. For the DiT also those
-- that wait for AR.
local function too_large_for(stage)
  local sizes, fits = {}, stage == 'ar' and fits_ar or fits_dit
  for _, from in ipairs(stage == 'dit' and { 'ar', 'dit' } or { 'ar' }) do
    add_too_large(sizes, lanes_to[from], fits)
    add_too_large(sizes, suspects_to[from], fits)
  end
  return sizes
end

local found = {}
for stage in pairs(RUNNING) do
  local workers, lanes = workers_of[stage], lanes_to[stage]
  local served = served_in(stage)
  found[stage] = stage_capacity(stage, workers, now)
  found[stage].waiting = num_suspects(stage)
  for _, lane in ipairs(lanes) do found[stage].waiting = found[stage].waiting + lane.num end
  found[stage].waiting_cost = cost_in[stage]
  found[stage].coming_cost = stage == 'dit' and later_cost or 0
  found[stage].unserved = unserved_of(lanes, workers)
  found[stage].open = open_work(stage, lanes, suspects_to[stage], served, costs_in[stage],
    stage == 'ar' and later_costs or {}, fits_in[stage])
  found[stage].too_large, found[stage].sizes = too_large_for(stage), num_by_sizes(workers)
  found[stage].orphans = num_orphans(stage)
  found[stage].last_slots = tonumber(redis.call('HGET', P .. 'last_worker:' .. stage, 'slots') or 0)
  found[stage].ahead = stage == 'ar' and num_made_ahead(served, fits_dit) or 0
  found[stage].is_stalled = redis.call('HGET', P .. 'stall:' .. stage, 'is_stalled') == '1'
end
return cjson.encode(found)
