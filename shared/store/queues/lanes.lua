-- Lanes: waiting renders of one stage, class, tenant and model revision, and the total of their cost.
-- needs: keys, shares

-- Re-renders that are not begun have a lane of their own: those behind them that are begun must not wait for a limit.
local function lane_in(stage, lane, is_begun)
  return (stage == 'dit' and not is_begun) and lane .. '|again' or lane
end

-- Keeps the total of what waits in a lane: its cost in this stage and, while it waits for AR, in the DiT afterwards. And
-- the number of renders that AR has made and the DiT has not taken, by class and model revision.
local function weigh(stage, lane, job, sign)
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

local function enqueue(render, stage, lane, rank)
  local known = redis.call('HMGET', P .. 'render:' .. render, 'group', 'started_ms', 'job')
  local key, place_in = P .. 'quarantine:' .. stage, lane_in(stage, lane, known[2])
  if not known[1] then
    redis.call('SADD', P .. 'lanes:' .. stage, place_in)
    key = P .. 'waiting:' .. stage .. ':' .. place_in
    join_pool(pool_of(stage, lane))
  end
  if redis.call('ZADD', key, rank, render) == 1 then weigh(stage, place_in, known[3], 1) end
end

-- Returns whether it waited.
local function dequeue(render, stage, lane, is_begun, job)
  local place_in = lane_in(stage, lane, is_begun)
  local key = P .. 'waiting:' .. stage .. ':' .. place_in
  local removed = redis.call('ZREM', key, render) + redis.call('ZREM', P .. 'quarantine:' .. stage, render)
  if redis.call('EXISTS', key) == 0 then redis.call('SREM', P .. 'lanes:' .. stage, place_in) end
  if removed > 0 then weigh(stage, place_in, job, -1) end
  return removed > 0
end
