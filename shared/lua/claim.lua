-- Leases the best waiting render of a stage, or finds nothing: lowest rank over all lanes of the claimer's model
-- revision. Rank is the time of creation plus a handicap of the class (see submit.lua); siblings of a job tie and stay
-- together. Suspects of a crash are claimed as quarantine.lua says.
-- ARGV: stage, holder, lease ttl (ms), revision, lowest prior_ready limit, worker
-- Returns {render, fence, job, index, seed, spec, revised prompt or '', prior or ''}, or an empty list.
local stage, holder, ttl, revision, limit_min, worker = unpack(ARGV)
local now = now_ms()
expire_due(now, 100)

-- AR runs ahead only so far, so that it never floods the DiT queue; but only its own class and higher ones hold a class
-- back, else a batch would close the door on an interactive render. Nor does another model revision, which other
-- workers may never come for.
local function num_ahead(class)
  local ahead = 0
  local function count(lane, num_renders)
    local of_lane, pinned = string.match(lane, '^([^|]*)|[^|]*|([^|]*)$')
    if pinned == revision and CLASS[of_lane] <= CLASS[class] then ahead = ahead + num_renders end
  end
  for _, lane in ipairs(redis.call('SMEMBERS', P .. 'lanes:dit')) do
    count(lane, redis.call('ZCARD', P .. 'waiting:dit:' .. lane))
  end
  for _, suspect in ipairs(redis.call('ZRANGE', P .. 'quarantine:dit', 0, -1)) do
    count(redis.call('HGET', P .. 'job:' .. redis.call('HGET', P .. 'render:' .. suspect, 'job'), 'lane'), 1)
  end
  return ahead
end

local is_open = {}
local function is_door_open(class)
  if is_open[class] == nil then
    local limit = math.max(tonumber(limit_min), 4 * live_slots('dit', now))
    is_open[class] = stage ~= 'ar' or num_ahead(class) < limit
  end
  return is_open[class]
end

local function best_of_lanes()
  local best, best_rank
  for _, lane in ipairs(redis.call('SMEMBERS', P .. 'lanes:' .. stage)) do
    local class, tenant, pinned, again = string.match(lane, '^([^|]*)|([^|]*)|([^|]*)(.*)$')
    local head = redis.call('ZRANGE', P .. 'waiting:' .. stage .. ':' .. lane, 0, 0, 'WITHSCORES')
    local rank = tonumber(head[2])
    if #head == 0 then
      redis.call('SREM', P .. 'lanes:' .. stage, lane)
    elseif (pinned == '' or pinned == revision) and is_door_open(class)
      and not ((stage == 'ar' or again ~= '') and is_at_limit(tenant))
      and (not best or rank < best_rank or (rank == best_rank and head[1] < best)) then
      best, best_rank = head[1], rank
    end
  end
  return best
end

-- Returns the render to lease, if any, and a function that writes down what was decided about turns.
local function choose()
  local group = group_held(worker)
  if group then return next_suspect(stage, revision, group), function() end end
  local turns, over = turns_of(stage, worker, now)
  local taken = {}
  for owner in pairs(turns) do taken[group_held(owner) or ''] = true end
  local best, suspect = best_of_lanes(), next_suspect(stage, revision, nil, taken)
  local has_ended = #over > 0
  local ended_ms = has_ended and now or tonumber(redis.call('GET', P .. 'turn_ended:' .. stage) or 0)
  local whose, place = 'other', nil
  if suspect then whose, place = whose_turn(stage, worker, turns, group == nil, best ~= nil, ended_ms, now) end

  local function write_turns()
    if place then table.insert(over, place) end
    if #over > 0 then redis.call('HDEL', P .. 'turn:' .. stage, unpack(over)) end
    if whose ~= 'other' then redis.call('HSET', P .. 'turn:' .. stage, worker, whose == 'suspect' and 1 or 0) end
    if has_ended then redis.call('SET', P .. 'turn_ended:' .. stage, now) end
  end
  return (whose == 'suspect' and suspect) or (whose == 'other' and best) or nil, write_turns
end

-- A job accepted before any worker announced a model is pinned by its first claim: job and siblings change lanes.
local function pin(job)
  local job_key = P .. 'job:' .. job
  local old = redis.call('HMGET', job_key, 'lane', 'rank', 'n')
  local lane = old[1] .. revision
  redis.call('HSET', job_key, 'revision', revision, 'lane', lane)
  for index = 0, tonumber(old[3]) - 1 do
    local sibling = job .. ':' .. string.format('%04d', index)
    if dequeue(sibling, stage, old[1], true, job) then enqueue(sibling, stage, lane, old[2]) end
  end
end

local best, write_turns = choose()
-- When more was due than one call ends: the next call goes on.
if best and is_due(best, now) then return {} end
write_turns()
if not best then return {} end
local key = P .. 'render:' .. best
local job = redis.call('HGET', key, 'job')
local job_key = P .. 'job:' .. job
if redis.call('HGET', job_key, 'revision') == '' then pin(job) end
local fence = redis.call('HINCRBY', key, 'fence', 1)
redis.call('HSET', key, 'holder', holder, 'worker', worker, 'in_step', 1)
redis.call('HINCRBY', key, stage .. '_attempts', 1)
-- It waited as one that was begun or not, so it moves before it is begun.
move(best, WAITING[stage], RUNNING[stage], now)
if redis.call('HSETNX', key, 'started_ms', now) == 1 then set_deadline(best, job_key, 'execution_timeout', now) end
redis.call('SADD', P .. 'held:' .. worker, best)
redis.call('ZADD', P .. 'leases', now + tonumber(ttl), best)
-- A worker that dies before its first heartbeat must be known to have lived.
redis.call('ZADD', P .. 'workers:' .. stage, 'NX', now + tonumber(ttl), worker)

local render = redis.call('HMGET', key, 'index', 'seed', 'prior')
local asked = redis.call('HMGET', job_key, 'spec', 'revised_prompt')
return { best, fence, job, render[1], render[2], asked[1], asked[2] or '', render[3] or '' }
