-- Notices that a stage stands still: work waits that live workers could take, they have free slots, and nothing was claimed
-- for a while. Upkeep calls this every few seconds.
--   gridpress:stall:<stage>  hash  since_ms: nothing was claimed since, though it could have been; paced: sum of the pace at
--                                  the last look; is_stalled: 1 once it has lasted. Without upkeep it is gone in a minute
-- ARGV: lowest prior_ready limit, how long it has to last (ms)
-- Returns per stage, ar and dit: 1 if it stands still, 1 if it did at the last look.
-- needs: keys, steady, door, load, open_places, shares
local limit_min, lasting_ms = tonumber(ARGV[1]), tonumber(ARGV[2])
local KEPT_MS = 60000
local now = now_ms()
-- While nothing can be stored, workers stop claiming once their buffers are full. That has an alarm of its own.
local is_storable = redis.call('EXISTS', P .. 'object_writes') == 0

-- Whether a live worker asked for renders of higher classes alone: the place that it has is kept for them.
local function is_open_to_others_only(stage, worker, class)
  return redis.call('ZSCORE', open_key(stage, BY_RANK[1]), worker) and not redis.call('ZSCORE', open_key(stage, class), worker)
end

-- Whether a live worker would claim: it has a free slot, does not drain, and keeps no slot free for suspects (quarantine.lua).
local function is_idle(stage, worker, class)
  if is_open_to_others_only(stage, worker, class) then return false end
  local slots = tonumber(redis.call('HGET', P .. 'slots:' .. stage, worker) or 0)
  if redis.call('SCARD', P .. 'held:' .. worker) >= slots then return false end
  if redis.call('HEXISTS', P .. 'turn:' .. stage, worker) == 1 then return false end
  return cjson.decode(redis.call('HGET', P .. 'signs:' .. stage, worker) or '[]')[5] ~= 1
end

local function revisions_of_idle(stage, class)
  local found = {}
  for _, worker in ipairs(redis.call('ZRANGEBYSCORE', P .. 'workers:' .. stage, '(' .. now, '+inf')) do
    local revision = redis.call('HGET', P .. 'serves:' .. stage, worker)
    if revision and not found[revision] and is_idle(stage, worker, class) then found[revision] = true end
  end
  return found
end

local doors = {}
local function may_pass(stage, class, tenant, revision)
  local name = stage .. class .. '|' .. revision
  doors[name] = doors[name] or door_of(stage, class, revision, limit_min, now)
  return doors[name](tenant)
end

-- What is pinned to no revision is anybody's.
local function could_be_claimed(stage, lane, idle)
  local class, tenant, pinned = string.match(lane, '^([^|]*)|([^|]*)|([^|]*)')
  local begins = stage == 'ar' or string.sub(lane, -6) == '|again'
  if begins and is_at_limit(tenant) then return false end
  for revision in pairs(idle) do
    local is_served = pinned == revision or (stage == 'ar' and pinned == '')
    if is_served and may_pass(stage, class, tenant, revision) then return true end
  end
  return false
end

local function waits_in_vain(stage)
  if not is_storable then return false end
  local idle = {}
  for _, class in ipairs(BY_RANK) do idle[class] = revisions_of_idle(stage, class) end
  if not next(idle[BY_RANK[1]]) then return false end
  for _, lane in ipairs(redis.call('SMEMBERS', P .. 'lanes:' .. stage)) do
    local is_empty = redis.call('EXISTS', P .. 'waiting:' .. stage .. ':' .. lane) == 0
    local revisions = idle[string.match(lane, '^[^|]*')] or {}
    if not is_empty and could_be_claimed(stage, lane, revisions) then return true end
  end
  return false
end

-- A worker of an earlier release does not note its claims; but what finishes was claimed.
local function since_when(stage, known, paced)
  local claimed = tonumber(redis.call('HGET', P .. 'claimed', stage) or 0)
  if not known[1] or known[2] ~= paced then return now end
  return math.max(tonumber(known[1]), claimed)
end

local answer = {}
for _, stage in ipairs({ 'ar', 'dit' }) do
  local key = P .. 'stall:' .. stage
  local known, is_stalled = redis.call('HMGET', key, 'since_ms', 'paced', 'is_stalled'), 0
  if waits_in_vain(stage) then
    local paced = redis.call('HGET', P .. 'pace:' .. stage, 'ms') or ''
    local since = since_when(stage, known, paced)
    is_stalled = now - since >= lasting_ms and 1 or 0
    redis.call('HSET', key, 'since_ms', since, 'paced', paced, 'is_stalled', is_stalled)
    redis.call('PEXPIRE', key, KEPT_MS)
  elseif known[1] then
    redis.call('DEL', key)
  end
  table.insert(answer, { is_stalled, tonumber(known[3] or 0) })
end
return answer
