-- Which workers of a stage would take a render at once. A worker that asked for renders of a class and found none is open for
-- it until its next claim: a hint is of use to it, and a busy worker leaves to it what it could begin.
--   gridpress:open:<stage>:<class>  zset  worker ids by the time until which this counts (ms); heartbeats prolong it
--   gridpress:asking:<stage>        zset  worker ids in the same way: those whose claims keep this record
-- needs: classes, keys, shares

local LOWEST = BY_RANK[#BY_RANK]

local function open_key(stage, class)
  return P .. 'open:' .. stage .. ':' .. class
end

-- Who is open for any class is open for the highest, so most claims need one look.
local function close_places(stage, worker)
  if redis.call('ZREM', open_key(stage, BY_RANK[1]), worker) == 0 then return end
  for rank = 2, #BY_RANK do redis.call('ZREM', open_key(stage, BY_RANK[rank]), worker) end
end

-- After a claim that found nothing. `least`: the lowest class that it asked for.
local function open_places(stage, worker, least, until_ms)
  for _, class in ipairs(BY_RANK) do
    if CLASS[class] <= CLASS[least] then
      redis.call('ZADD', open_key(stage, class), until_ms, worker)
    else
      redis.call('ZREM', open_key(stage, class), worker)
    end
  end
end

local function num_open(stage, class, now)
  return redis.call('ZCOUNT', open_key(stage, class), '(' .. now, '+inf')
end

-- Whether another worker that serves this revision is open for a class. A few are looked at, or claims would be slow while a
-- thousand workers of another revision idle.
local function is_other_open(stage, class, worker, revision, now)
  local MOST_LOOKED_AT = 16
  for _, other in ipairs(redis.call('ZREVRANGEBYSCORE', open_key(stage, class), '+inf', '(' .. now, 'LIMIT', 0, MOST_LOOKED_AT)) do
    if other ~= worker and redis.call('HGET', P .. 'serves:' .. stage, other) == revision then return true end
  end
  return false
end

-- Whether all live workers of a stage keep this record. Those of an earlier release wait for hints with their slots taken.
local function all_ask(stage, now)
  local num_asking = redis.call('ZCOUNT', P .. 'asking:' .. stage, '(' .. now, '+inf')
  return num_asking >= redis.call('ZCOUNT', P .. 'workers:' .. stage, '(' .. now, '+inf')
end

-- With a heartbeat. A worker that drains takes nothing more.
local function keep_places(stage, worker, is_draining, until_ms)
  redis.call('ZADD', P .. 'asking:' .. stage, 'XX', until_ms, worker)
  for _, class in ipairs(BY_RANK) do
    if is_draining then
      redis.call('ZREM', open_key(stage, class), worker)
    else
      redis.call('ZADD', open_key(stage, class), 'XX', until_ms, worker)
    end
  end
end

local function forget_places(stage, worker)
  close_places(stage, worker)
  redis.call('ZREM', P .. 'asking:' .. stage, worker)
end
