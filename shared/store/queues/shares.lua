-- Functions that divide a stage fairly between tenants by the cost of their renders. The method is start-time fair
-- queueing (Goyal, Vin and Cheng, SIGCOMM 1996).
-- A pool is the set of tenants that compete for the same workers: one pool for each stage, class and model revision.
-- Each tenant with waiting renders is in the pool and has a number, its tag. Workers serve the tenant with the lowest
-- tag. For every render served, the tenant's tag grows by cost / weight.
-- The pool's clock is the tag that was served last. A tenant that joins the pool gets the clock as its tag. So a time
-- without work is neither an advantage nor a disadvantage. Tenants with equal tags are served in the order in which
-- they joined.

-- Renders of an ordinary size are in the pool `<stage>:<class>|<revision>`. Renders of each larger size class (sizes.lua)
-- have a pool beside it, whose name has the size at its end. A worker claims from the pools of the sizes that it can
-- render. All these pools have one clock, and a tenant has the same tag in each. Only below the clock may its tags
-- differ, since its larger renders may wait while workers serve it that can't render them.

-- needs: classes, keys, size_names, clock, limits_of, sizes

local BY_RANK = {} -- classes, the most urgent first
for class, rank in pairs(CLASS) do BY_RANK[rank + 1] = class end

-- Returns the pool and the tenant of a lane, whose name begins with class|tenant|revision.
local function pool_of(stage, lane)
  local class, tenant, revision = string.match(lane, '^([^|]*)|([^|]*)|([^|]*)')
  return stage .. ':' .. class .. '|' .. revision .. suffix_of(size_of(lane)), tenant
end

-- Returns the pool of ordinary sizes beside a pool. Clocks have its name.
local function base_of(pool)
  return string.match(pool, '^[^|]*|[^|]*')
end

local pools_known = {}
-- Returns the pool of ordinary sizes, and the pools of larger sizes beside it that have tenants. One command finds that
-- there are none of the latter. The result is cached until a tenant joins one of them.
local function pools_beside(base)
  if pools_known[base] then return pools_known[base] end
  local keys, found = {}, { base }
  for i, size in ipairs(SIZES) do keys[i] = P .. 'shares:' .. base .. '|' .. size end
  local num = redis.call('EXISTS', unpack(keys))
  for i, size in ipairs(num > 0 and SIZES or {}) do
    if redis.call('EXISTS', keys[i]) == 1 then table.insert(found, base .. '|' .. size) end
  end
  pools_known[base] = found
  return found
end

-- Returns the clock of a pool: the tag that was served last.
local function clock_of(pool)
  return tonumber(redis.call('HGET', P .. 'clocks', base_of(pool)) or 0)
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
  pools_known[base_of(pool)] = nil
end

-- Sets the tag that a tenant has in the pools beside `pool`, if it is in them.
local function set_tags_beside(pool, tenant, tag)
  for _, other in ipairs(pools_beside(base_of(pool))) do
    local member = other ~= pool and member_of(other, tenant)
    if member then redis.call('ZADD', P .. 'shares:' .. other, tag, member) end
  end
end

-- Sets the tag of a tenant. `member` is the tenant's in the pool, if the caller has read it.
local function set_tag(pool, tenant, tag, member)
  member = member or member_of(pool, tenant)
  if member then redis.call('ZADD', P .. 'shares:' .. pool, tag, member) else add_member(pool, tenant, tag) end
  set_tags_beside(pool, tenant, tag)
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

-- Returns the highest tag that a tenant has in the pools beside `pool`; 0 if it is in none of them.
local function tag_beside(pool, tenant)
  local highest = 0
  for _, other in ipairs(pools_beside(base_of(pool))) do
    highest = math.max(highest, other ~= pool and tag_of(other, tenant) or 0)
  end
  return highest
end

-- Adds a tenant with waiting renders to the pool. A tenant with a tag below the clock starts at the clock again. In the
-- pool of a larger size it keeps its tag and its turn: few workers serve this pool, and the others advance the clock.
local function join_pool(pool, tenant)
  local member, clock = member_of(pool, tenant), clock_of(pool)
  local tag = member and tonumber(redis.call('ZSCORE', P .. 'shares:' .. pool, member))
  if tag and (tag >= clock or pool ~= base_of(pool)) then return end
  if member then redis.call('ZREM', P .. 'shares:' .. pool, member) end
  add_member(pool, tenant, math.max(clock, tag_beside(pool, tenant)))
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
  if is_in_turn then redis.call('HSET', P .. 'clocks', base_of(pool), tag) end
  set_tag(pool, tenant, tag + tag_increase(tenant, cost), member)
end

-- Takes back the price of a render that was requeued unfinished, as far as the clock allows. So its tenant pays only
-- once and does not lose its turn. A tenant that has left the pool meanwhile may have paid in a pool beside it.
local function refund(pool, tenant, cost)
  local function less(tag) return math.max(clock_of(pool), tag - tag_increase(tenant, cost)) end
  local tag = tag_of(pool, tenant)
  if tag then return set_tag(pool, tenant, less(tag)) end
  tag = tag_beside(pool, tenant)
  if tag > 0 then set_tags_beside(pool, tenant, less(tag)) end
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

-- Returns the name of a lower class's credit with the workers that can render `sizes`. A lower class gets the work that
-- higher classes leave, and a floor: while it waits, it gets a share of the cost served to higher classes as credit. When
-- the credit covers its next render, that render is claimed first.
-- What workers of some sizes serve is credit with them alone. Otherwise workers that can't render the next render of the
-- class would spend what it needs on smaller ones.
local function credit_name(stage, class, revision, sizes)
  return stage .. ':' .. class .. '|' .. revision .. '|' .. sizes
end

local function credit_of(name)
  return tonumber(redis.call('HGET', P .. 'credit', name) or 0)
end

-- Returns whether tenants are in a pool of ordinary sizes, or in one beside it from which a worker claims that can render
-- `sizes`.
local function has_tenants(pool, sizes)
  local keys = { P .. 'shares:' .. pool }
  for _, size in ipairs(SIZES) do
    if can_render(sizes, size) then table.insert(keys, P .. 'shares:' .. pool .. '|' .. size) end
  end
  return redis.call('EXISTS', unpack(keys)) > 0
end

-- Adds credit to waiting lower classes, and subtracts the cost from the credit of the served class. `floor` is the
-- share of a lower class in all served cost while both classes wait (0 to less than 1). `sizes` are those that the worker
-- can render: a class gets no credit for the work of a worker that could render nothing of it.
local function credit_lower_classes(stage, class, revision, cost, floor, sizes)
  for rank, other in ipairs(BY_RANK) do
    if rank - 1 > CLASS[class] and has_tenants(stage .. ':' .. other .. '|' .. revision, sizes) then
      local name = credit_name(stage, other, revision, sizes)
      redis.call('HSET', P .. 'credit', name, credit_of(name) + cost * floor / (1 - floor))
    end
  end
  local own = credit_name(stage, class, revision, sizes)
  if CLASS[class] > 0 then redis.call('HSET', P .. 'credit', own, math.max(0, credit_of(own) - cost)) end
end
