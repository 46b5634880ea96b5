-- What each stage has to do and does it with. It costs a look at every lane and every live worker, at hardly a render.
-- Returns JSON: ar and dit, each its strength, waiting (renders), waiting_cost, coming_cost (what waits for an earlier
-- stage), unserved (model revision -> renders that wait though no live worker serves it), open (see open_work.lua), orphans
-- (renders whose worker is gone and whose lease has not been taken back), last_slots (of the worker that lives or lived
-- last), ahead (renders that wait for the DiT and may hold AR back), is_stalled (see stalls.lua).
-- needs: keys, steady, open_work, pace, stages
local now = now_ms()

-- Costs by lane, and their sum.
local function costs_of(total)
  local costs, sum, flat = {}, 0, redis.call('HGETALL', P .. 'cost:' .. total)
  for i = 1, #flat, 2 do
    costs[flat[i]] = tonumber(flat[i + 1])
    sum = sum + costs[flat[i]]
  end
  return costs, sum
end

local function unserved_of(stage, lanes)
  local served, unserved, any = {}, {}, false
  for _, worker in ipairs(redis.call('ZRANGEBYSCORE', P .. 'workers:' .. stage, '(' .. now, '+inf')) do
    local revision = redis.call('HGET', P .. 'serves:' .. stage, worker)
    if revision then served[revision], any = true, true end
  end
  for _, lane in ipairs(lanes) do
    local is_served = served[lane.revision] or (lane.revision == '' and any)
    if not is_served then unserved[lane.revision] = (unserved[lane.revision] or 0) + lane.num end
  end
  return unserved
end

local function num_orphans(stage)
  local num = 0
  for _, worker in ipairs(redis.call('ZRANGEBYSCORE', P .. 'workers:' .. stage, '-inf', now)) do
    num = num + redis.call('SCARD', P .. 'held:' .. worker)
  end
  return num
end

local function num_made_ahead(served)
  local ahead, flat = 0, redis.call('HGETALL', P .. 'ahead')
  for i = 1, #flat, 2 do
    if not served or served[string.match(flat[i], '|(.*)$')] then ahead = ahead + tonumber(flat[i + 1]) end
  end
  return ahead
end

local later_costs, later_cost = costs_of('dit_later')
local found = {}
for stage in pairs(RUNNING) do
  local served, lanes = served_by(stage, now), lanes_of(stage)
  local costs, cost = costs_of(stage)
  found[stage] = strength(stage, '', now)
  found[stage].waiting = redis.call('ZCARD', P .. 'quarantine:' .. stage)
  for _, lane in ipairs(lanes) do found[stage].waiting = found[stage].waiting + lane.num end
  found[stage].waiting_cost = cost
  found[stage].coming_cost = stage == 'dit' and later_cost or 0
  found[stage].unserved = unserved_of(stage, lanes)
  found[stage].open = open_work(stage, lanes, served, costs, stage == 'ar' and later_costs or {})
  found[stage].orphans = num_orphans(stage)
  found[stage].last_slots = tonumber(redis.call('HGET', P .. 'last_worker:' .. stage, 'slots') or 0)
  found[stage].ahead = stage == 'ar' and num_made_ahead(served) or 0
  found[stage].is_stalled = redis.call('HGET', P .. 'stall:' .. stage, 'is_stalled') == '1'
end
return cjson.encode(found)
