-- Functions that compute how much of the waiting work one more worker could begin at once. Autoscalers should count
-- only this part of the waiting work.
-- The part excludes renders of a model revision that no worker serves. It also excludes the renders of a tenant that
-- exceed the tenant's limit `concurrent_renders`, what operators have paused, and renders that are too large for all
-- live workers. The functions read all lanes and at most MOST_SUSPECTS renders.

-- needs: keys, paused, sizes

local MOST_SUSPECTS = 100

-- Returns the model revisions that workers serve, without workers that an operator drains, which have no slots.
local function revisions_of(workers)
  local served = {}
  for _, worker in ipairs(workers) do
    if worker.revision and worker.slots > 0 then served[worker.revision] = true end
  end
  return served
end

-- Returns the model revisions that live workers serve, or the last one that was served while no worker lives. Nil:
-- unknown.
local function served_revisions(stage, workers)
  local served = revisions_of(workers)
  if next(served) then return served end
  local last = redis.call('HGET', P .. 'last_worker:' .. stage, 'revision')
  return last and { [last] = true } or nil
end

-- Returns a function that takes up to `num` renders from the number that a tenant may still begin, and returns how many
-- it took.
local function allowances()
  local left = {}
  return function(tenant, num)
    if not left[tenant] then
      local most = redis.call('HGET', P .. 'limits:' .. tenant, 'concurrent_renders')
      local running = most and redis.call('HGET', P .. 'load:' .. tenant, 'running') or 0
      left[tenant] = most and math.max(0, tonumber(most) - tonumber(running)) or math.huge
    end
    local taken = math.min(num, left[tenant])
    left[tenant] = left[tenant] - taken
    return taken
  end
end

-- Returns the lanes of a stage with waiting renders, sorted by name: name, tenant, revision, size class, number of
-- renders.
local function lanes_of(stage)
  local names, found = redis.call('SMEMBERS', P .. 'lanes:' .. stage), {}
  table.sort(names)
  for _, name in ipairs(names) do
    local num = redis.call('ZCARD', P .. 'waiting:' .. stage .. ':' .. name)
    local tenant, revision = string.match(name, '^[^|]*|([^|]*)|([^|]*)')
    if num > 0 then
      table.insert(found, { name = name, tenant = tenant, revision = revision, size = size_of(name), num = num })
    end
  end
  return found
end

-- Returns the waiting suspects of a stage: revision, tenant, name of their lane, size class, number (1), cost and later
-- cost. They are in no lane, but the costs of their lanes include them, so the
-- function subtracts their cost there.
local function suspects_of(stage, costs, later_costs)
  local found = {}
  for _, render in ipairs(redis.call('ZRANGE', P .. 'quarantine:' .. stage, 0, MOST_SUSPECTS - 1)) do
    local job = redis.call('HGET', P .. 'render:' .. render, 'job')
    local known = redis.call('HMGET', P .. 'job:' .. job, 'revision', 'tenant', 'lane', stage .. '_cost', 'dit_cost')
    local lane, cost, later = known[3], tonumber(known[4] or 0), stage == 'ar' and tonumber(known[5] or 0) or 0
    costs[lane] = (costs[lane] or 0) - cost
    later_costs[lane] = (later_costs[lane] or 0) - later
    table.insert(found, { revision = known[1], tenant = known[2], lane = lane, size = size_of(lane or ''), num = 1, cost = cost,
      later = later })
  end
  return found
end

-- Returns the renders that one more worker could begin, their cost in this stage, and their later cost in the DiT while
-- they wait for AR. `costs` and `later_costs` are these costs by lane, without those of `suspects`. `fits` says whether
-- the renders of a lane, or a suspect, fit into the memory of a live worker: one more worker may be no larger.
local function open_work(stage, lanes, suspects, served, costs, later_costs, fits)
  local take, found, is_paused = allowances(), { renders = 0, cost = 0, later_cost = 0 }, pause_check()
  local function is_held(lane) return is_paused and pause_of_lane(is_paused, stage, lane) end
  local function add(num, cost, later)
    found.renders = found.renders + num
    found.cost = found.cost + math.floor(cost + 0.5)
    found.later_cost = found.later_cost + math.floor(later + 0.5)
  end
  for _, lane in ipairs(lanes) do
    if not is_held(lane.name) and fits(lane) and (not served or lane.revision == '' or served[lane.revision]) then
      local begins = stage == 'ar' or string.sub(lane.name, -6) == '|again'
      local taken = begins and take(lane.tenant, lane.num) or lane.num
      local share = taken / lane.num
      add(taken, share * (costs[lane.name] or 0), share * (later_costs[lane.name] or 0))
    end
  end
  for _, suspect in ipairs(suspects) do
    if not is_held(suspect.lane) and fits(suspect) and (not served or served[suspect.revision]) then
      local taken = stage == 'ar' and take(suspect.tenant, 1) or 1
      add(taken, taken * suspect.cost, taken * suspect.later)
    end
  end
  return found
end
