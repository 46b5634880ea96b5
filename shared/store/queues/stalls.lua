-- Detects a stalled stage. A stage is stalled if no render was claimed for a while, although renders wait that live
-- workers with free slots could take. Upkeep runs this script every few seconds.
--   gridpress:stall:<stage>  hash  since_ms: time since which nothing was claimed although it could have been; paced:
--                                  the field `ms` of gridpress:pace:<stage> at the last check; is_stalled: 1 once the
--                                  stall has lasted long enough. The key expires a minute after the last check
-- Arguments (ARGV):
--   1: lowest limit of renders that AR finishes ahead of the DiT (ahead_limit.lua)
--   2: time after which a stage counts as stalled (ms)
-- Returns for each stage, ar and dit: 1 if it is stalled now, else 0; 1 if it was stalled at the last check, else 0.

-- needs: keys, clock, ahead_limit, load, open_places, paused, shares, sizes, workers

local limit_min, lasting_ms = tonumber(ARGV[1]), tonumber(ARGV[2])
local KEPT_MS = 60000
local now = now_ms()
-- While the object store takes no writes, workers stop claiming once their buffers are full. Another alert reports
-- this.
local is_storable = redis.call('EXISTS', P .. 'object_writes') == 0

-- Returns whether a live worker asked for renders of higher classes only. It then reserves its free slot for them.
local function is_open_to_higher_only(stage, worker, class)
  return redis.call('ZSCORE', open_key(stage, BY_RANK[1]), worker)
    and not redis.call('ZSCORE', open_key(stage, class), worker)
end

-- Returns whether a live worker would claim: it has a free slot, does not drain, and keeps no slot free for suspects
-- (quarantine.lua).
local function is_idle(stage, worker, class)
  if is_open_to_higher_only(stage, worker, class) then return false end
  local slots = tonumber(redis.call('HGET', P .. 'slots:' .. stage, worker) or 0)
  if redis.call('SCARD', P .. 'held:' .. worker) >= slots then return false end
  if redis.call('HEXISTS', P .. 'turn:' .. stage, worker) == 1 then return false end
  return cjson.decode(redis.call('HGET', P .. 'signs:' .. stage, worker) or '[]')[5] ~= 1
end

-- Returns the model revisions of idle workers, and for each the sizes that one of these workers can render.
local function revisions_of_idle(stage, class)
  local found, all_sizes = {}, all_of(P .. 'sizes:' .. stage)
  for _, worker in ipairs(redis.call('ZRANGEBYSCORE', P .. 'workers:' .. stage, '(' .. now, '+inf')) do
    local revision = redis.call('HGET', P .. 'serves:' .. stage, worker)
    local sizes = all_sizes[worker] or ''
    local is_known = revision and found[revision] and found[revision][sizes]
    if revision and not is_known and is_idle(stage, worker, class) then
      found[revision] = found[revision] or {}
      found[revision][sizes] = true
    end
  end
  return found
end

local ahead_checks = {}
local function may_pass(stage, class, tenant, revision, size)
  local name = stage .. class .. '|' .. revision .. '|' .. size
  ahead_checks[name] = ahead_checks[name] or ahead_check(stage, class, revision, limit_min, now, size)
  return ahead_checks[name](tenant)
end

local function is_any_large_enough(all_sizes, size)
  for sizes in pairs(all_sizes) do
    if can_render(sizes, size) then return true end
  end
  return false
end

-- Returns whether an idle worker could claim from a lane. A lane without a revision is open to workers of any revision.
local is_paused = pause_check()
local function could_be_claimed(stage, lane, idle)
  if is_paused and pause_of_lane(is_paused, stage, lane) then return false end
  local class, tenant, pinned = string.match(lane, '^([^|]*)|([^|]*)|([^|]*)')
  local begins = stage == 'ar' or string.sub(lane, -6) == '|again'
  if begins and is_at_limit(tenant) then return false end
  local size = size_of(lane)
  for revision, sizes in pairs(idle) do
    local is_served = (pinned == revision or (stage == 'ar' and pinned == '')) and is_any_large_enough(sizes, size)
    if is_paused and is_paused('revision', revision) then is_served = false end
    if is_served and may_pass(stage, class, tenant, revision, size) then return true end
  end
  return false
end

-- Returns whether renders wait that an idle worker of the stage could claim now.
local function has_unclaimed_work(stage)
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

-- Returns the time since which nothing was claimed. Workers of an earlier version do not record their claims, but each
-- render that they finish changes the throughput.
local function stalled_since(stage, known, paced)
  local claimed = tonumber(redis.call('HGET', P .. 'claimed', stage) or 0)
  if not known[1] or known[2] ~= paced then return now end
  return math.max(tonumber(known[1]), claimed)
end

local answer = {}
for _, stage in ipairs({ 'ar', 'dit' }) do
  local key = P .. 'stall:' .. stage
  local known, is_stalled = redis.call('HMGET', key, 'since_ms', 'paced', 'is_stalled'), 0
  if has_unclaimed_work(stage) then
    local paced = redis.call('HGET', P .. 'pace:' .. stage, 'ms') or ''
    local since = stalled_since(stage, known, paced)
    is_stalled = now - since >= lasting_ms and 1 or 0
    redis.call('HSET', key, 'since_ms', since, 'paced', paced, 'is_stalled', is_stalled)
    redis.call('PEXPIRE', key, KEPT_MS)
  elseif known[1] then
    redis.call('DEL', key)
  end
  table.insert(answer, { is_stalled, tonumber(known[3] or 0) })
end
return answer
