-- Leases the best waiting render of a stage, or finds nothing: lowest rank over all lanes of the claimer's model
-- revision. Rank is the time of creation plus a handicap of the class (see submit.lua); siblings of a job tie and stay
-- together. Suspects of a crash are claimed as quarantine.lua says.
-- ARGV: stage, holder, lease ttl (ms), revision, lowest prior_ready limit, worker
-- Returns {render, fence, job, index, seed, spec, prior or ''}, or an empty list.
local stage, holder, ttl, revision, limit_min, worker = unpack(ARGV)
local now = now_ms()
expire_due(now, 100)

-- AR runs ahead only so far, so that it never floods the DiT queue; but only its own class and higher ones hold a class
-- back, else a batch would close the door on an interactive render. Nor does another model revision, which other
-- workers may never come for.
local function num_ahead(class)
  local ahead = redis.call('ZCARD', P .. 'quarantine:dit')
  for _, lane in ipairs(redis.call('SMEMBERS', P .. 'lanes:dit')) do
    local of_lane, pinned = string.match(lane, '^([^|]*)|[^|]*|([^|]*)$')
    if pinned == revision and CLASS[of_lane] <= CLASS[class] then
      ahead = ahead + redis.call('ZCARD', P .. 'waiting:dit:' .. lane)
    end
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
    local class, tenant, pinned = string.match(lane, '^([^|]*)|([^|]*)|([^|]*)$')
    local head = redis.call('ZRANGE', P .. 'waiting:' .. stage .. ':' .. lane, 0, 0, 'WITHSCORES')
    local rank = tonumber(head[2])
    if #head == 0 then
      redis.call('SREM', P .. 'lanes:' .. stage, lane)
    elseif (pinned == '' or pinned == revision) and is_door_open(class)
      and not (stage == 'ar' and is_at_limit(tenant))
      and (not best or rank < best_rank or (rank == best_rank and head[1] < best)) then
      best, best_rank = head[1], rank
    end
  end
  return best
end

local function choose()
  local holds, group = holding(worker)
  if group then return next_suspect(stage, revision, group) end
  local best, suspect = best_of_lanes(), next_suspect(stage, revision)
  if not suspect then return best end
  local whose = whose_turn(stage, worker, not holds, best ~= nil, now)
  return (whose == 'suspect' and suspect) or (whose == 'other' and best) or nil
end

-- A job accepted before any worker announced a model is pinned by its first claim: job and siblings change lanes.
local function pin(job)
  local job_key = P .. 'job:' .. job
  local old = redis.call('HMGET', job_key, 'lane', 'rank', 'n')
  local lane = old[1] .. revision
  redis.call('HSET', job_key, 'revision', revision, 'lane', lane)
  for index = 0, tonumber(old[3]) - 1 do
    local sibling = job .. ':' .. string.format('%04d', index)
    if redis.call('ZREM', P .. 'waiting:' .. stage .. ':' .. old[1], sibling) == 1 then
      enqueue(sibling, stage, lane, old[2])
    end
  end
end

local best = choose()
-- When more was due than one call ends: the next call goes on.
if not best or is_due(best, now) then return {} end
local key = P .. 'render:' .. best
local job = redis.call('HGET', key, 'job')
local job_key = P .. 'job:' .. job
if redis.call('HGET', job_key, 'revision') == '' then pin(job) end
local fence = redis.call('HINCRBY', key, 'fence', 1)
redis.call('HSET', key, 'holder', holder, 'worker', worker, 'in_step', 1)
redis.call('HINCRBY', key, stage .. '_attempts', 1)
if redis.call('HSETNX', key, 'started_ms', now) == 1 then set_deadline(best, job_key, 'execution_timeout', now) end
move(best, WAITING[stage], RUNNING[stage], now)
redis.call('SADD', P .. 'held:' .. worker, best)
redis.call('ZADD', P .. 'leases', now + tonumber(ttl), best)
-- A worker that dies before its first heartbeat must be known to have lived.
redis.call('ZADD', P .. 'workers:' .. stage, 'NX', now + tonumber(ttl), worker)

local render = redis.call('HMGET', key, 'index', 'seed', 'prior')
return { best, fence, job, render[1], render[2], redis.call('HGET', job_key, 'spec'), render[3] or '' }
