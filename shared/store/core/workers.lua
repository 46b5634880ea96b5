-- Functions that find the live workers of a stage and their slots. A worker is live until its announcement expires.

-- needs: keys, sizes

local FIRST_WORKERS, MOST_WORKERS = 16, 1000 -- read with one command

-- Returns the slots of all live workers of a stage. The slots of a dead worker stop counting when its announcement
-- ends. With `enough`, the count ends once it has reached that number, and reads few of thousands of workers.
local function live_slots(stage, now, enough)
  local slots, first, count = 0, 0, FIRST_WORKERS
  repeat
    local workers = redis.call('ZRANGEBYSCORE', P .. 'workers:' .. stage, '(' .. now, '+inf', 'LIMIT', first, count)
    if #workers == 0 then return slots end
    for _, num in ipairs(redis.call('HMGET', P .. 'slots:' .. stage, unpack(workers))) do
      slots = slots + tonumber(num or 0)
    end
    first, count = first + #workers, MOST_WORKERS
  until enough and slots >= enough
  return slots
end

-- Returns the pairs of a hash as a table.
local function all_of(key)
  local found, flat = {}, redis.call('HGETALL', key)
  for i = 1, #flat, 2 do found[flat[i]] = flat[i + 1] end
  return found
end

-- Returns the live workers of a stage in the order in which their announcements end: id, model revision (nil while it
-- is unknown), slots, sizes that they can render ('' while they announced none: the ordinary ones). Few commands read all
-- workers, because a command for each would be slow with thousands.
local function live_workers(stage, now)
  local found, revisions, slots = {}, all_of(P .. 'serves:' .. stage), all_of(P .. 'slots:' .. stage)
  local sizes = all_of(P .. 'sizes:' .. stage)
  for i, worker in ipairs(redis.call('ZRANGEBYSCORE', P .. 'workers:' .. stage, '(' .. now, '+inf')) do
    found[i] = { id = worker, revision = revisions[worker], slots = tonumber(slots[worker] or 0),
      sizes = sizes[worker] or '' }
  end
  return found
end

local rooms_known = {}
-- Returns the slots of the live workers of a stage: `slots`, of all of them, and `by_sizes`, of those of a model revision
-- by the sizes that they can render (nil: none lives). A worker that an operator drains has no slots. The result is cached
-- for the script, since it takes reading all workers.
local function room_of(stage, revision, now)
  local name = stage .. ':' .. revision
  if rooms_known[name] then return rooms_known[name] end
  local room = { slots = 0 }
  for _, worker in ipairs(live_workers(stage, now)) do
    room.slots = room.slots + worker.slots
    if worker.revision == revision and worker.slots > 0 then
      room.by_sizes = room.by_sizes or {}
      room.by_sizes[worker.sizes] = (room.by_sizes[worker.sizes] or 0) + worker.slots
    end
  end
  rooms_known[name] = room
  return room
end

-- Returns the slots of a room (see `room_of`) that can render a size class, and its slots of all sizes. While no worker
-- of the revision lives, both are nil.
local function slots_for_size(room, size)
  if not room.by_sizes then return nil, nil end
  local num, total = 0, 0
  for sizes, slots in pairs(room.by_sizes) do
    total = total + slots
    if can_render(sizes, size) then num = num + slots end
  end
  return num, total
end

-- Returns whether the announcement of a worker has not expired.
local function is_alive(worker, stage, now)
  local ends_at = redis.call('ZSCORE', P .. 'workers:' .. stage, worker)
  return ends_at ~= false and tonumber(ends_at) > now
end
