-- Functions that divide a stage fairly between tenants by the cost of their renders. The method is start-time fair
-- queueing (Goyal, Vin and Cheng, SIGCOMM 1996).
-- A pool is the set of tenants that compete for the same workers: one pool for each stage, class and model revision.
-- Each tenant with waiting renders is in the pool and has a number, its tag. Workers serve the tenant with the lowest
-- tag. For every render served, the tenant's tag grows by cost / weight.
-- The pool's clock is the tag that was served last. A tenant that joins the pool gets the clock as its tag. So a time
-- without work is neither an advantage nor a disadvantage. Tenants with equal tags are served in the order in which
-- they joined.

-- needs: classes, keys, clock, limits_of

local BY_RANK = {} -- classes, the most urgent first
for class, rank in pairs(CLASS) do BY_RANK[rank + 1] = class end

-- Returns the pool and the tenant of a lane, whose name begins with class|tenant|revision.
local function pool_of(stage, lane)
  local class, tenant, revision = string.match(lane, '^([^|]*)|([^|]*)|([^|]*)')
  return stage .. ':' .. class .. '|' .. revision, tenant
end

-- Returns the clock of a pool: the tag that was served last.
local function clock_of(pool)
  return tonumber(redis.call('HGET', P .. 'clocks', pool) or 0)
end

-- Returns a tenant's member in the pool's sorted set, or a false value if the tenant is not in the pool.
local function member_of(pool, tenant)
  local since = redis.call('HGET', P .. 'since:' .. pool, tenant)
  return since and since .. '|' .. tenant
end

-- Adds a tenant to the pool as the one that joined last.
local function add_member(pool, tenant, tag)
  local since = string.format('%013.0f', now_ms())
  redis.call('HSET', P .. 'since:' .. pool, tenant, since)
  redis.call('ZADD', P .. 'shares:' .. pool, tag, since .. '|' .. tenant)
end

local function set_tag(pool, tenant, tag)
  local member = member_of(pool, tenant)
  if not member then return add_member(pool, tenant, tag) end
  redis.call('ZADD', P .. 'shares:' .. pool, tag, member)
end

local function tag_of(pool, tenant)
  local member = member_of(pool, tenant)
  return member and tonumber(redis.call('ZSCORE', P .. 'shares:' .. pool, member))
end

-- Removes a tenant from the pool.
local function leave_pool(pool, tenant)
  local member = member_of(pool, tenant)
  if not member then return end
  redis.call('ZREM', P .. 'shares:' .. pool, member)
  redis.call('HDEL', P .. 'since:' .. pool, tenant)
end

-- Adds a tenant with waiting renders to the pool. A tenant with a tag below the clock starts at the clock again.
local function join_pool(pool, tenant)
  local member, clock = member_of(pool, tenant), clock_of(pool)
  local tag = member and tonumber(redis.call('ZSCORE', P .. 'shares:' .. pool, member))
  if tag and tag >= clock then return end
  if member then redis.call('ZREM', P .. 'shares:' .. pool, member) end
  add_member(pool, tenant, clock)
end

-- Returns the amount by which a render of this cost raises its tenant's tag.
local function tag_increase(tenant, cost)
  local _, weight = limits_of(tenant)
  return cost / weight
end

-- Raises the tenant's tag for a claim. `is_in_turn` says that the tenant had the lowest tag, so the clock advances.
-- `member` and `tag` are the tenant's in the pool, if the claim has read them.
local function charge_tenant(pool, tenant, cost, is_in_turn, member, tag)
  local clock = clock_of(pool)
  tag = math.max(clock, tag or tag_of(pool, tenant) or clock)
  if is_in_turn then redis.call('HSET', P .. 'clocks', pool, tag) end
  tag = tag + tag_increase(tenant, cost)
  if member then redis.call('ZADD', P .. 'shares:' .. pool, tag, member) else set_tag(pool, tenant, tag) end
end

-- Takes back the price of a render that was requeued unfinished, as far as the clock allows. So its tenant pays only
-- once and does not lose its turn.
local function refund(pool, tenant, cost)
  local tag = tag_of(pool, tenant)
  if tag then set_tag(pool, tenant, math.max(clock_of(pool), tag - tag_increase(tenant, cost))) end
end

-- Records that a tenant left the pool because it is at its limit, so that claims skip it. The tenant joins again when
-- one of its renders ends.
local function park(pool, tenant)
  redis.call('SADD', P .. 'parked:' .. tenant, pool)
end

-- Adds a tenant to the pools again that it left because of its limit.
local function unpark(tenant)
  local pools = redis.call('SMEMBERS', P .. 'parked:' .. tenant)
  for _, pool in ipairs(pools) do join_pool(pool, tenant) end
  if #pools > 0 then redis.call('DEL', P .. 'parked:' .. tenant) end
end

-- Returns a lower class's credit in a pool. A lower class gets the work that higher classes leave, and a floor: while
-- it waits, it gets a share of the cost served to higher classes as credit. When the credit covers its next render,
-- that render is claimed first.
local function credit_of(pool)
  return tonumber(redis.call('HGET', P .. 'credit', pool) or 0)
end

-- Adds credit to waiting lower classes, and subtracts the cost from the credit of the served class. `floor` is the
-- share of a lower class in all served cost while both classes wait (0 to less than 1).
local function credit_lower_classes(stage, class, revision, cost, floor)
  for rank, other in ipairs(BY_RANK) do
    local pool = stage .. ':' .. other .. '|' .. revision
    if rank - 1 > CLASS[class] and redis.call('ZCARD', P .. 'shares:' .. pool) > 0 then
      redis.call('HSET', P .. 'credit', pool, credit_of(pool) + cost * floor / (1 - floor))
    end
  end
  local own = stage .. ':' .. class .. '|' .. revision
  if CLASS[class] > 0 then redis.call('HSET', P .. 'credit', own, math.max(0, credit_of(own) - cost)) end
end
