-- Functions that put renders into lanes and take them out. A lane is the queue of the waiting renders of one stage,
-- class, tenant and model revision. The total cost of each lane is stored, so that estimates need not read the renders.

-- needs: keys, shares

-- Returns the name of a render's lane. Re-renders that have not begun have a lane of their own, because renders that
-- have begun must not wait behind them for the tenant's limit.
local function lane_name(stage, lane, is_begun)
  return (stage == 'dit' and not is_begun) and lane .. '|again' or lane
end

-- Adds the cost of a render to its lane's total (sign 1), or subtracts it (-1): the cost in this stage and, while the
-- render waits for AR, the later cost in the DiT. It also counts the renders with a token grid that wait for the DiT,
-- by class and model revision.
local function change_lane_cost(stage, lane, job, sign)
  local costs = redis.call('HMGET', P .. 'job:' .. job, 'ar_cost', 'dit_cost')
  local function add(total, cost)
    local key = P .. 'cost:' .. total
    if redis.call('HINCRBY', key, lane, sign * tonumber(cost or 0)) == 0 then redis.call('HDEL', key, lane) end
  end
  add(stage, costs[stage == 'ar' and 1 or 2])
  if stage == 'ar' then add('dit_later', costs[2]) end
  local class, revision = string.match(lane, '^([^|]*)|[^|]*|([^|]*)$')
  if stage == 'dit' and class then redis.call('HINCRBY', P .. 'ahead', class .. '|' .. revision, sign) end
end

-- Puts a render into its lane, or into the quarantine if it belongs to a group of suspects.
local function enqueue(render, stage, lane, rank)
  local known = redis.call('HMGET', P .. 'render:' .. render, 'group', 'started_ms', 'job')
  local key, place_in = P .. 'quarantine:' .. stage, lane_name(stage, lane, known[2])
  if not known[1] then
    redis.call('SADD', P .. 'lanes:' .. stage, place_in)
    key = P .. 'waiting:' .. stage .. ':' .. place_in
    join_pool(pool_of(stage, lane))
  end
  if redis.call('ZADD', key, rank, render) == 1 then change_lane_cost(stage, place_in, known[3], 1) end
end

-- Takes a render out of its lane or the quarantine. Returns whether it was there.
local function dequeue(render, stage, lane, is_begun, job)
  local place_in = lane_name(stage, lane, is_begun)
  local key = P .. 'waiting:' .. stage .. ':' .. place_in
  local removed = redis.call('ZREM', key, render)
  if removed == 0 then removed = redis.call('ZREM', P .. 'quarantine:' .. stage, render) end
  if redis.call('EXISTS', key) == 0 then redis.call('SREM', P .. 'lanes:' .. stage, place_in) end
  if removed > 0 then change_lane_cost(stage, place_in, job, -1) end
  return removed > 0
end
