-- Functions that compute how many hints a queue lacks, and send them. A hint is a Celery message that wakes a worker.
-- The worker then claims until it finds nothing.
-- The number of hints that a queue should have depends on the queue:
--   - The queue of a stage: one hint for each worker that is open (could begin a waiting render at once, see
--     open_places.lua). If work waits and the queue has no hint, upkeep sends one.
--   - Every other queue: min(waiting, 2 x slots + 1) hints. The same holds for the queue of a stage while workers of an
--     earlier version live.
--   - While no worker lives, one hint is in the queue.
-- `waiting` counts what is due now. For a stage it counts waiting renders. For the queue 'enhance' it counts jobs, for
-- 'delivery' manifests and tenants with due receivers, and for 'batch' batches.

-- needs: classes, keys, num_waiting, open_places, outbox, paused, shares, stages, workers

local function num_enhancements(now)
  local due = 0
  for class in pairs(CLASS) do due = due + redis.call('ZCOUNT', P .. 'enhancements:' .. class, '-inf', now) end
  return due
end

local function num_deliveries(now, most)
  local due = redis.call('ZCOUNT', P .. 'manifests', '-inf', now)
  for _, class in ipairs(CLASSES) do
    if most and due >= most then break end
    due = due + redis.call('ZCOUNT', P .. 'line:' .. class, '-inf', now)
  end
  return due
end

-- Returns the amount of waiting work of a queue, as described above. For a stage and for deliveries the count ends at
-- `most`, if it is given.
local function num_due(queue, now, most)
  if queue == 'delivery' then return num_deliveries(now, most) end
  if queue == 'batch' then return redis.call('ZCOUNT', P .. 'batch_work', '-inf', now) end
  return queue == 'enhance' and num_enhancements(now) or num_waiting(queue, most)
end

-- Returns whether any render may wait for a stage. It is asked first, since most often none does.
local function may_any_wait(stage)
  return redis.call('EXISTS', P .. 'lanes:' .. stage, P .. 'quarantine:' .. stage) > 0
end

-- Returns the number of waiting renders of a class that open workers could begin, or `most` if there are more. While
-- thousands of lanes wait that count for no open worker, it reads only the first ones, and then only asks whether any open
-- worker could claim. The worker that one hint wakes claims and sends further hints.
local function num_usable_of_class(stage, class, most, is_paused, open)
  local MOST_PAGES = 4
  local num, is_cut = num_in_lanes(stage, class, most, is_paused, open.fits, MOST_PAGES)
  if num > 0 or not is_cut or (is_paused and is_paused('class', class)) then return num end
  return open.may_claim(class) and 1 or 0
end

-- Returns the number of waiting renders that open workers could begin, or `most` if there are more. A worker that is
-- open for a class is also open for higher classes. Lanes are read only if a worker is open. Paused lanes do not count.
local function num_usable(stage, most, now)
  local num, is_paused, open = 0, pause_check(), { num = 0 }
  for _, class in ipairs(BY_RANK) do
    local num_of_class = num_open(stage, class, now)
    -- As many workers as for the class before are the same ones, so they are not read again.
    if num_of_class ~= open.num then open = open_workers(stage, class, now, num_of_class) end
    local left = math.min(most, open.num) - num
    if left <= 0 then return num end
    num = num + num_usable_of_class(stage, class, left, is_paused, open)
  end
  local left = math.min(most, open.num) - num -- of workers that are open for all classes, and so for suspects
  return left > 0 and num + num_suspects_that_fit(stage, left, open.fits) or num
end

-- Returns how many hints the queue of a stage should have, if all its workers record when they are open.
local function num_wanted_of_stage(stage, num_hints, most, now)
  local num = num_usable(stage, most + num_hints, now)
  if num > 0 or num_hints > 0 then return num end
  local is_alone = redis.call('ZCOUNT', P .. 'workers:' .. stage, '(' .. now, '+inf') == 0
  return (most > 1 or is_alone) and num_waiting(stage, 1) or 0
end

-- Returns how many hints the queue should have after at most `most` were added. Waiting renders and workers are counted
-- only as far as that number depends on them, since every submission asks for it.
local function num_wanted_hints(queue, num_hints, most, now)
  if RUNNING[queue] and all_ask(queue, now) then return num_wanted_of_stage(queue, num_hints, most, now) end
  local limit = most + num_hints
  local num = math.min(limit, num_due(queue, now, limit))
  if num <= math.max(1, num_hints) then return num end -- one hint is sent even without a live worker
  return math.min(num, 2 * live_slots(queue, now, math.ceil(num / 2)) + 1)
end

-- Returns a message with its id in place of HINT_ID. A plain search is much faster than a pattern.
local function with_id(message, id)
  local parts, from, first, last = {}, 1, string.find(message, 'HINT_ID', 1, true)
  while first do
    parts[#parts + 1], parts[#parts + 2] = string.sub(message, from, first - 1), id
    from = last + 1
    first, last = string.find(message, 'HINT_ID', from, true)
  end
  parts[#parts + 1] = string.sub(message, from)
  return table.concat(parts)
end

-- Sends at most `most` hints to a queue and returns how many. `message` is a Celery message (shared/hints/message.py),
-- in which HINT_ID is replaced by a unique id.
local function send_hints(queue, list, message, id, most, now)
  if RUNNING[queue] and not may_any_wait(queue) then return 0 end
  local num_hints = redis.call('LLEN', list)
  local num_wanted = math.min(most + num_hints, num_wanted_hints(queue, num_hints, most, now))
  for number = num_hints + 1, num_wanted do
    redis.call('LPUSH', list, with_id(message, id .. '-' .. queue .. '-' .. number))
  end
  return math.max(0, num_wanted - num_hints)
end
