-- Fair shares of a stage between tenants: start-time fair queueing (Goyal, Vin and Cheng, SIGCOMM 1996) over what renders
-- cost. A pool is what competes for the same workers: one stage, class and model revision. A tenant that has something
-- waiting is in the pool with a tag; the lowest tag is served, and then grows by cost / weight. The pool's clock is the tag
-- that was served last. Whoever comes in starts at the clock: neither is time without work saved up, nor time of
-- being passed over. Equal tags go by the time at which the tenants came in.
-- needs: classes, keys, steady

local BY_RANK = {} -- classes, the most urgent first
for class, rank in pairs(CLASS) do BY_RANK[rank + 1] = class end

-- A lane begins with class|tenant|revision.
local function pool_of(stage, lane)
  local class, tenant, revision = string.match(lane, '^([^|]*)|([^|]*)|([^|]*)')
  return stage .. ':' .. class .. '|' .. revision, tenant
end

local function clock_of(pool)
  return tonumber(redis.call('HGET', P .. 'clocks', pool) or 0)
end

local function member_of(pool, tenant)
  local since = redis.call('HGET', P .. 'since:' .. pool, tenant)
  return since and since .. '|' .. tenant
end

local function set_tag(pool, tenant, tag)
  local member = member_of(pool, tenant)
  if not member then
    local since = string.format('%013.0f', now_ms())
    redis.call('HSET', P .. 'since:' .. pool, tenant, since)
    member = since .. '|' .. tenant
  end
  redis.call('ZADD', P .. 'shares:' .. pool, tag, member)
end

local function tag_of(pool, tenant)
  local member = member_of(pool, tenant)
  return member and tonumber(redis.call('ZSCORE', P .. 'shares:' .. pool, member))
end

local function leave_pool(pool, tenant)
  local member = member_of(pool, tenant)
  if not member then return end
  redis.call('ZREM', P .. 'shares:' .. pool, member)
  redis.call('HDEL', P .. 'since:' .. pool, tenant)
end

-- Something of a tenant waits.
local function join_pool(pool, tenant)
  local tag, clock = tag_of(pool, tenant), clock_of(pool)
  if tag and tag >= clock then return end
  leave_pool(pool, tenant)
  set_tag(pool, tenant, clock)
end

-- What one render adds to its tenant's tag.
local function toll_of(tenant, cost)
  return cost / tonumber(redis.call('HGET', P .. 'limits:' .. tenant, 'weight') or 1)
end

-- The price of a claim. `is_in_turn`: it was the lowest tag's, so the clock goes on.
local function pay(pool, tenant, cost, is_in_turn)
  local clock = clock_of(pool)
  local tag = math.max(clock, tag_of(pool, tenant) or clock)
  if is_in_turn then redis.call('HSET', P .. 'clocks', pool, tag) end
  set_tag(pool, tenant, tag + toll_of(tenant, cost))
end

-- A render that goes back unfinished has its price back, as far as the clock allows: it pays once, and keeps its turn.
local function refund(pool, tenant, cost)
  local tag = tag_of(pool, tenant)
  if tag then set_tag(pool, tenant, math.max(clock_of(pool), tag - toll_of(tenant, cost))) end
end

-- A tenant at its limit is in no pool, so that no claim has to pass it; it is back when one of its renders ends.
local function park(pool, tenant)
  redis.call('SADD', P .. 'parked:' .. tenant, pool)
end

local function unpark(tenant)
  for _, pool in ipairs(redis.call('SMEMBERS', P .. 'parked:' .. tenant)) do join_pool(pool, tenant) end
  redis.call('DEL', P .. 'parked:' .. tenant)
end

-- A lower class lives on what the higher ones leave, and on a floor: while it waits, it is credited a share of what they
-- are served. Once that pays for its next render, that goes first.
local function credit_of(pool)
  return tonumber(redis.call('HGET', P .. 'credit', pool) or 0)
end

-- `floor`: the lower class's share of all that is served while both wait, from 0 to less than 1.
local function share_out(stage, class, revision, cost, floor)
  for rank, other in ipairs(BY_RANK) do
    local pool = stage .. ':' .. other .. '|' .. revision
    if rank - 1 > CLASS[class] and redis.call('ZCARD', P .. 'shares:' .. pool) > 0 then
      redis.call('HSET', P .. 'credit', pool, credit_of(pool) + cost * floor / (1 - floor))
    end
  end
  local own = stage .. ':' .. class .. '|' .. revision
  if CLASS[class] > 0 then redis.call('HSET', P .. 'credit', own, math.max(0, credit_of(own) - cost)) end
end
