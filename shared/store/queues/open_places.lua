-- Functions that record which workers are open. An open worker has asked for a render of a class, has found none, and
-- would begin one at once. It stays open for this class until its next claim. Only open workers need hints. A busy
-- worker leaves renders to open workers.
--   gridpress:open:<stage>:<class>  zset  worker ids by the time until which they are open (ms); heartbeats extend it
--   gridpress:asking:<stage>        zset  ids of all workers that have claimed before, open or not, by the time until
--                                         which the entry is valid (ms). Workers of an earlier version are missing here

-- needs: classes, keys, shares, sizes

local LOWEST = BY_RANK[#BY_RANK]

local function open_key(stage, class)
  return P .. 'open:' .. stage .. ':' .. class
end

-- Removes a worker from the open ones. A worker that is open for any class is open for the highest, so one ZREM usually
-- suffices.
local function close_places(stage, worker)
  if redis.call('ZREM', open_key(stage, BY_RANK[1]), worker) == 0 then return end
  for rank = 2, #BY_RANK do redis.call('ZREM', open_key(stage, BY_RANK[rank]), worker) end
end

-- Makes a worker open after a claim that found nothing. `least` is the lowest class that it asked for.
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

-- Returns whether another worker that serves this revision and can render this size class is open for a class. It reads only MOST_LOOKED_AT workers.
-- Otherwise claims would be slow while a thousand workers of another revision are idle.
local function is_other_open(stage, class, worker, revision, size, now)
  local MOST_LOOKED_AT = 16
  for _, other in ipairs(redis.call('ZREVRANGEBYSCORE', open_key(stage, class), '+inf', '(' .. now, 'LIMIT', 0,
    MOST_LOOKED_AT)) do
    if other ~= worker and redis.call('HGET', P .. 'serves:' .. stage, other) == revision
      and (size == '' or can_render(redis.call('HGET', P .. 'sizes:' .. stage, other), size)) then return true end
  end
  return false
end

-- Returns a function that returns whether a worker that is open for a class can render a size class. It reads only the
-- first MOST_LOOKED_AT of these workers.
local function size_check(stage, class, now)
  local MOST_LOOKED_AT = 16
  local open_workers, known = nil, { [''] = true }
  return function(size)
    if known[size] ~= nil then return known[size] end
    open_workers = open_workers or redis.call('ZREVRANGEBYSCORE', open_key(stage, class), '+inf', '(' .. now, 'LIMIT', 0,
      MOST_LOOKED_AT)
    known[size] = false
    for _, worker in ipairs(open_workers) do
      known[size] = known[size] or can_render(redis.call('HGET', P .. 'sizes:' .. stage, worker), size)
    end
    return known[size]
  end
end

-- Returns whether all live workers of a stage maintain this record. Workers of an earlier version wait for hints
-- instead.
local function all_ask(stage, now)
  local num_asking = redis.call('ZCOUNT', P .. 'asking:' .. stage, '(' .. now, '+inf')
  return num_asking >= redis.call('ZCOUNT', P .. 'workers:' .. stage, '(' .. now, '+inf')
end

-- Extends the record of a worker at its heartbeat. A draining worker takes no more renders, so it is removed. A busy
-- worker is open for no class, which the first one shows.
local function keep_places(stage, worker, is_draining, until_ms)
  redis.call('ZADD', P .. 'asking:' .. stage, 'XX', until_ms, worker)
  if is_draining then return close_places(stage, worker) end
  for _, class in ipairs(BY_RANK) do
    if redis.call('ZADD', open_key(stage, class), 'XX', 'CH', until_ms, worker) == 0 then break end
  end
end

-- Removes a worker that has left or died from this record.
local function remove_places(stage, worker)
  close_places(stage, worker)
  redis.call('ZREM', P .. 'asking:' .. stage, worker)
end
