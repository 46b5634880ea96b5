-- Functions that put renders into lanes and take them out. A lane is the queue of the waiting renders of one stage,
-- class, tenant, model revision and size class (sizes.lua). The total cost of each lane is stored, so that estimates need not read the renders.

-- needs: keys, fields, shares

-- Returns the name of a render's lane. Re-renders that have not begun have a lane of their own, because renders that
-- have begun must not wait behind them for the tenant's limit.
local function lane_name(stage, lane, is_begun)
  return (stage == 'dit' and not is_begun) and lane .. '|again' or lane
end

-- Returns the field of gridpress:ahead that counts the renders of a lane: class, revision and size class. Re-renders that
-- have not begun are not counted.
local function ahead_field(lane)
  local class, rest = string.match(lane, '^([^|]*)|[^|]*|(.*)$')
  return class and string.sub(lane, -6) ~= '|again' and class .. '|' .. rest or nil
end

-- Returns the fields of a job that the functions below need.
local function queueing_of(job)
  return fields_of(P .. 'job:' .. job, 'lane', 'rank', 'ar_cost', 'dit_cost')
end

-- Adds the cost of a render to its lane's total (sign 1), or subtracts it (-1): the cost in this stage and, while the
-- render waits for AR, the later cost in the DiT. It also counts the renders with a token grid that wait for the DiT,
-- by class, model revision and size class.
local function change_lane_cost(stage, lane, job, sign)
  local function add(total, cost)
    local key = P .. 'cost:' .. total
    if redis.call('HINCRBY', key, lane, sign * tonumber(cost or 0)) == 0 then redis.call('HDEL', key, lane) end
  end
  add(stage, job[stage .. '_cost'])
  if stage == 'ar' then add('dit_later', job.dit_cost) end
  local field = stage == 'dit' and ahead_field(lane)
  if field then redis.call('HINCRBY', P .. 'ahead', field, sign) end
end

-- Puts a render into its job's lane, or into the quarantine if it belongs to a `group` of suspects. `job` has the
-- fields of `queueing_of`.
local function enqueue(render, stage, job, is_begun, group)
  local key, place_in = P .. 'quarantine:' .. stage, lane_name(stage, job.lane, is_begun)
  if not group then
    redis.call('SADD', P .. 'lanes:' .. stage, place_in)
    key = P .. 'waiting:' .. stage .. ':' .. place_in
    join_pool(pool_of(stage, job.lane))
  end
  if redis.call('ZADD', key, job.rank, render) == 1 then change_lane_cost(stage, place_in, job, 1) end
end

-- Takes a render out of its job's lane or the quarantine. Returns whether it was there.
local function dequeue(render, stage, job, is_begun)
  local place_in = lane_name(stage, job.lane, is_begun)
  local key = P .. 'waiting:' .. stage .. ':' .. place_in
  local removed = redis.call('ZREM', key, render)
  if removed == 0 then removed = redis.call('ZREM', P .. 'quarantine:' .. stage, render) end
  if redis.call('EXISTS', key) == 0 then redis.call('SREM', P .. 'lanes:' .. stage, place_in) end
  if removed > 0 then change_lane_cost(stage, place_in, job, -1) end
  return removed > 0
end
