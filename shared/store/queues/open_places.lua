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

-- Returns a function that returns the next worker that is open for a class, the sizes that this worker announced ('' for
-- none), and its model revision ('' while it is unknown); nil at the end. It reads a few workers, and the others only if
-- they are asked for, with few commands.
local function open_reader(stage, class, now)
  local page, sizes, revisions, at, first, count = {}, {}, {}, 0, 0, 16
  return function()
    if at == #page and count > 0 then
      page, at = redis.call('ZREVRANGEBYSCORE', open_key(stage, class), '+inf', '(' .. now, 'LIMIT', first, count), 0
      sizes = #page > 0 and redis.call('HMGET', P .. 'sizes:' .. stage, unpack(page)) or {}
      revisions = #page > 0 and redis.call('HMGET', P .. 'serves:' .. stage, unpack(page)) or {}
      first, count = first + #page, #page == count and 1000 or 0
    end
    at = at + 1
    if page[at] then return page[at], sizes[at] or '', revisions[at] or '' end
  end
end

local others_known = {}
-- Returns whether another worker that serves this revision and can render this size class is open for a class.
-- For ordinary sizes it reads only MOST_LOOKED_AT workers. Otherwise claims would be slow while a thousand workers of
-- another revision are idle. The result is cached for the script, which asks for one worker.
local function is_other_open(stage, class, worker, revision, size, now)
  local name = class .. '|' .. size
  if others_known[name] ~= nil then return others_known[name] end
  local MOST_LOOKED_AT, num = 16, 0
  others_known[name] = false
  for other, sizes, served in open_reader(stage, class, now) do
    if other ~= worker and served == revision and can_render(sizes, size) then
      others_known[name] = true
      break
    end
    num = num + 1
    if size == '' and num == MOST_LOOKED_AT then break end
  end
  return others_known[name]
end

-- Returns what the workers that are open for a class, or the same ones for another class, could claim. They are read
-- once, and only as far as they are asked for.
--   num           the number of these workers, as the caller counted them
--   fits(size)    whether one of them can render a size class
--   may_claim(class)  whether tenants are in a pool of a class from which one of them claims
local function open_workers(stage, class, now, num)
  local next_open, kinds, known = open_reader(stage, class, now), {}, {}
  local function is_any(test)
    for _, kind in ipairs(kinds) do
      if test(kind) then return true end
    end
    for _, sizes, revision in next_open do
      local name = revision .. '|' .. sizes
      if not known[name] then
        known[name], kinds[#kinds + 1] = true, { revision = revision, sizes = sizes }
        if test(kinds[#kinds]) then return true end
      end
    end
    return false
  end
  local function fits(size)
    return size == '' or is_any(function(kind) return can_render(kind.sizes, size) end)
  end
  local function may_claim(of_class)
    local pool = stage .. ':' .. of_class .. '|'
    return is_any(function(kind)
      return has_tenants(pool .. kind.revision, kind.sizes) or (stage == 'ar' and has_tenants(pool, kind.sizes))
    end)
  end
  return { num = num, fits = fits, may_claim = may_claim }
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
