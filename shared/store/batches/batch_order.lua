-- Functions for the order of a tenant's own batches of one class: by priority, then by `finish_by` (earliest first,
-- none last), then by age. This order decides which of the batches creates jobs from its lines first. It also decides
-- which of the tenant's jobs is claimed first.
--   gridpress:batch_order:<class>|<tenant>  zset  batches that have not ended and are not paused, by order_score. Equal
--                                                 scores are ordered by id, which sorts by age

-- needs: classes, keys

local OVER = { failed = true, completed = true, expired = true, cancelled = true }
local PRIORITY_MS = 1e13 -- distance between two priorities: 317 years, longer than any `finish_by` reaches
local FAR_MS = 4e12 -- in the year 2096, later than every `finish_by` and every creation
local LOOKED_AT = 50 -- batches read with one command

local function order_key(class, tenant)
  return P .. 'batch_order:' .. class .. '|' .. tenant
end

-- Returns fields of a batch, or an empty table when its record is broken. The script that claims the batch sets it
-- aside.
local function batch_fields(batch, ...)
  local known = redis.pcall('HMGET', P .. 'batch:' .. batch, ...)
  return known.err and {} or known
end

-- Returns a batch's score in the order; the lowest score goes first. `order` is -1 (high priority), 0 or 1 (low).
local function order_score(order, finish_by_ms)
  return (tonumber(order) or 0) * PRIORITY_MS + (finish_by_ms and finish_by_ms - FAR_MS or 0)
end

-- Returns the rank of a line's job in its lane, which is the batch's score in the order. Without a `finish_by` the
-- job's age is added, so that the tenant's single jobs do not wait for all lines of an older batch.
local function rank_of_line(batch, age_rank)
  local known = batch_fields(batch, 'order', 'finish_by_ms')
  local finish_by_ms = tonumber(known[2])
  local standing = order_score(known[1], finish_by_ms)
  return finish_by_ms and standing or standing + age_rank
end

-- Returns the class of a batch. Earlier versions stored the class in the spec only.
local function class_of_batch(batch)
  local known = batch_fields(batch, 'class', 'spec')
  if known[1] then return known[1] end
  local is_json, spec = pcall(cjson.decode, known[2])
  return is_json and type(spec) == 'table' and CLASS[spec.priority] and spec.priority or 'batch'
end

-- Puts a batch into the order, or moves it to its place. A batch that is paused or releases no more lines leaves the
-- order.
local function update_order(batch)
  local known = batch_fields(batch, 'tenant', 'end', 'paused', 'status', 'order', 'finish_by_ms')
  if not known[1] then return end
  local key = order_key(class_of_batch(batch), known[1])
  if known[2] ~= 'completed' or known[3] or OVER[known[4]] then
    redis.call('ZREM', key, batch)
  else
    redis.call('ZADD', key, order_score(known[5], tonumber(known[6])), batch)
  end
end

-- Takes a batch out of the order.
local function leave_order(batch)
  local tenant = batch_fields(batch, 'tenant')[1]
  if tenant then redis.call('ZREM', order_key(class_of_batch(batch), tenant), batch) end
end

-- Returns the number of a batch's lines that are no jobs yet and may still become jobs.
local function num_waiting_lines(batch)
  local known = batch_fields(batch, 'status', 'end', 'total', 'open', 'completed', 'failed')
  if known[1] ~= 'in_progress' or known[2] ~= 'completed' then return 0 end
  local num = tonumber(known[3]) or 0
  for i = 4, 6 do num = num - (tonumber(known[i]) or 0) end
  return math.max(0, num)
end

-- Returns the number of renders that a batch uses of those that its tenant should have open: its open renders and its
-- waiting lines. While its lines wait for input images to be fetched, the batches behind it may use the room of these
-- lines.
local function renders_taken(batch)
  local known = batch_fields(batch, 'renders', 'is_slow')
  return (tonumber(known[1]) or 0) + (known[2] and 0 or num_waiting_lines(batch))
end

-- Returns the number of renders that a batch should have open: `most`, less what the batches before it use.
local function target_of(batch, most)
  local key = order_key(class_of_batch(batch), batch_fields(batch, 'tenant')[1] or '')
  local place, left = redis.call('ZRANK', key, batch) or 0, most
  for first = 0, place - 1, LOOKED_AT do
    for _, other in ipairs(redis.call('ZRANGE', key, first, math.min(first + LOOKED_AT, place) - 1)) do
      local status = batch_fields(other, 'status')[1]
      if not status or OVER[status] then
        redis.call('ZREM', key, other) -- an earlier version of Gridpress, which has no order, ended this batch
      else
        left = left - renders_taken(other)
      end
      if left <= 0 then return 0 end
    end
  end
  return left
end

-- Makes the next batch in the order that has waiting lines due now, because this batch leaves room.
local function make_next_batch_due(batch, now)
  local key = order_key(class_of_batch(batch), batch_fields(batch, 'tenant')[1] or '')
  local place = redis.call('ZRANK', key, batch)
  local first = place and place + 1 or 0
  for _, other in ipairs(redis.call('ZRANGE', key, first, first + LOOKED_AT - 1)) do
    if num_waiting_lines(other) > 0 then
      if not batch_fields(other, 'holder')[1] then redis.call('ZADD', P .. 'batch_work', 'XX', 'LT', now, other) end
      return
    end
  end
end
