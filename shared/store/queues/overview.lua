-- A function that reads all lanes, pools and workers of a stage, for estimates. Its cost grows with their number, so one
-- overview serves the estimates of many jobs (shared/store/queues/throughput.py).

-- needs: keys, device_time, paused, shares, throughput, workers

local MOST_HELD = 128 -- renders of each model revision
local MOST_SERVERS = 64 -- with more workers, estimates do not ask what each of them holds

-- Returns the lanes of a stage with waiting renders: name, number of renders, cost, later cost in the DiT. The weights
-- of their tenants, where they are not 1, go to `weights`. What is paused goes before no other work, so it is left out.
local function lanes_with_work(stage, weights)
  local is_paused = pause_check()
  local found, costs, later = {}, all_of(P .. 'cost:' .. stage), stage == 'ar' and all_of(P .. 'cost:dit_later') or {}
  for _, lane in ipairs(redis.call('SMEMBERS', P .. 'lanes:' .. stage)) do
    local size = redis.call('ZCARD', P .. 'waiting:' .. stage .. ':' .. lane)
    if size > 0 and not (is_paused and pause_of_lane(is_paused, stage, lane)) then
      local tenant = string.match(lane, '^[^|]*|([^|]*)|')
      table.insert(found, { lane, size, tonumber(costs[lane] or 0), tonumber(later[lane] or 0) })
      weights[tenant] = redis.call('HGET', P .. 'limits:' .. tenant, 'weight') or nil
    end
  end
  return found
end

-- Adds a pool and the pools of larger sizes beside it, if the table lacks them: their clock, and their members with their
-- tags as a flat list.
local function add_pool(pools, pool)
  local base, members = base_of(pool), {}
  if pools[base] then return end
  for _, each in ipairs(pools_beside(base)) do
    for _, part in ipairs(redis.call('ZRANGE', P .. 'shares:' .. each, 0, -1, 'WITHSCORES')) do
      table.insert(members, part)
    end
  end
  pools[base] = { redis.call('HGET', P .. 'clocks', base) or '0', members }
end

-- Appends the renders that a worker holds, in its order: model revision, server, class, cost, time used (ms), later cost
-- (DiT), sizes that the worker can render, job. For the DiT, the first render is on the device.
local function add_held(rows, stage, worker, server, now)
  local since = stage == 'dit' and tonumber(redis.call('HGET', P .. 'device_ms', worker.id) or now)
  local is_readable, held = pcall(device_order, stage, redis.call('SMEMBERS', P .. 'held:' .. worker.id))
  for index, each in ipairs(is_readable and held or {}) do -- broken records of renders must not fail the estimate
    local costs = redis.call('HMGET', P .. 'job:' .. each.job, stage .. '_cost', 'dit_cost')
    local used = now - each.since
    if stage == 'dit' then
      used = tonumber(redis.call('HGET', P .. 'render:' .. each.render, 'device_ms') or 0)
        + (index == 1 and now - since or 0)
    end
    table.insert(rows, { worker.revision or '', server, BY_RANK[each.rank + 1], tonumber(costs[1] or 0), used,
      stage == 'ar' and tonumber(costs[2] or 0) or 0, worker.sizes, each.job })
  end
end

-- Adds a worker to the capacity of its model revision and of the sizes that it can render, and the renders that it holds to `rows`.
local function add_worker(capacities, rows, stage, worker, now)
  local revision = worker.revision or ''
  local sum = capacities[revision] or { workers = 0, slots = 0, running = 0, rows = 0, by_sizes = {} }
  capacities[revision] = sum
  local num_held = redis.call('SCARD', P .. 'held:' .. worker.id)
  if num_held > 0 and sum.workers < MOST_SERVERS and sum.rows < MOST_HELD then
    add_held(rows, stage, worker, sum.workers, now)
    sum.rows = sum.rows + num_held
  end
  local kind = sum.by_sizes[worker.sizes] or { 0, 0, 0 }
  sum.by_sizes[worker.sizes] = { kind[1] + 1, kind[2] + worker.slots, kind[3] + num_held }
  sum.workers, sum.slots, sum.running = sum.workers + 1, sum.slots + worker.slots, sum.running + num_held
end

-- Returns the lanes, the pools by name, the capacities by model revision, the renders that workers hold, and the
-- averages of a stage.
local function overview_of(stage, weights, now)
  local found = averages_of(stage, now)
  found.lanes, found.pools, found.capacities, found.held = lanes_with_work(stage, weights), {}, {}, {}
  for _, worker in ipairs(live_workers(stage, now)) do
    add_worker(found.capacities, found.held, stage, worker, now)
  end
  for revision in pairs(found.capacities) do
    for _, class in ipairs(BY_RANK) do add_pool(found.pools, stage .. ':' .. class .. '|' .. revision) end
  end
  for _, lane in ipairs(found.lanes) do add_pool(found.pools, (pool_of(stage, lane[1]))) end
  return found
end
