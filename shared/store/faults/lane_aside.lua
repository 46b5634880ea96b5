-- A function that sets a waiting render aside: it takes the render out of its queue, because the render's records can't
-- be read. It also corrects the counts of the render's lane and tenant. What the records lack is taken from the lane's
-- name.

-- needs: keys, aside, lanes, shares, stages, tenant_load

-- Subtracts a render's cost from its lane. An unknown cost counts as the average cost of the lane's renders.
local function subtract_lane_cost(stage, lane, job, size)
  local costs = job and redis.pcall('HMGET', P .. 'job:' .. job, 'ar_cost', 'dit_cost') or {}
  local function subtract(total, cost)
    local key = P .. 'cost:' .. total
    local sum = tonumber(redis.call('HGET', key, lane) or 0)
    local part = is_whole(cost) and tonumber(cost) or math.floor(sum / math.max(1, size))
    if redis.call('HINCRBY', key, lane, -math.min(sum, part)) == 0 then redis.call('HDEL', key, lane) end
  end
  subtract(stage, costs[stage == 'ar' and 1 or 2])
  if stage == 'ar' then subtract('dit_later', costs[2]) end
  local field = stage == 'dit' and ahead_field(lane)
  if field and tonumber(redis.call('HGET', P .. 'ahead', field) or 0) > 0 then
    redis.call('HINCRBY', P .. 'ahead', field, -1)
  end
end

-- Takes the render out of its tenant's load and of the deadlines, because the render will never end.
local function remove_from_load(render, stage, lane)
  local tenant, is_again = string.match(lane, '^[^|]*|([^|]*)'), string.sub(lane, -6) == '|again'
  count_load(tenant, WAITING[stage], not is_again, -1)
  if stage == 'dit' and not is_again then unpark(tenant) end
  redis.call('ZREM', P .. 'deadlines', render)
end

-- Sets a waiting render aside. `lane` is the lane that holds the render, or nil if it is in quarantine.
local function put_render_aside(render, stage, lane, why)
  local known = redis.pcall('HMGET', P .. 'render:' .. render, 'job', 'state', 'started_ms')
  local job, state = known[1], known[2]
  local about = job and redis.pcall('HMGET', P .. 'job:' .. job, 'tenant', 'lane') or {}
  local key = P .. 'waiting:' .. stage .. ':' .. (lane or '')
  local size = lane and redis.call('ZCARD', key) or 1
  set_aside(lane and 'waiting:' .. stage .. ':' .. lane or 'quarantine:' .. stage, render, stage, why)
  if lane and size == 1 then redis.call('SREM', P .. 'lanes:' .. stage, lane) end
  lane = lane or (about[2] and lane_name(stage, about[2], known[3]))
  if not lane then return end
  subtract_lane_cost(stage, lane, job, size)
  if not state or not about[1] then remove_from_load(render, stage, lane) end
end
