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
-- is unknown), slots, sizes that they can render. Few commands read all workers, because a command for each would be slow with thousands.
local function live_workers(stage, now)
  local found, revisions, slots = {}, all_of(P .. 'serves:' .. stage), all_of(P .. 'slots:' .. stage)
  local sizes = all_of(P .. 'sizes:' .. stage)
  for i, worker in ipairs(redis.call('ZRANGEBYSCORE', P .. 'workers:' .. stage, '(' .. now, '+inf')) do
    found[i] = { id = worker, revision = revisions[worker], slots = tonumber(slots[worker] or 0),
      sizes = sizes[worker] or '*' }
  end
  return found
end

-- Returns the slots of the live workers that can render a size class of a model revision, and whether any worker of this
-- revision lives. A worker that an operator drains has no slots.
local function slots_for_size(stage, revision, size, now)
  local num, is_any_alive = 0, false
  for _, worker in ipairs(live_workers(stage, now)) do
    if worker.revision == revision and worker.slots > 0 then
      is_any_alive = true
      if can_render(worker.sizes, size) then num = num + worker.slots end
    end
  end
  return num, is_any_alive
end

-- Returns whether the announcement of a worker has not expired.
local function is_alive(worker, stage, now)
  local ends_at = redis.call('ZSCORE', P .. 'workers:' .. stage, worker)
  return ends_at ~= false and tonumber(ends_at) > now
end
