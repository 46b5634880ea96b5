-- The order of a tenant's own batches of one class: priority, then `finish_by` (earliest first; none comes last), then age. It
-- decides two things: which batch turns its lines into jobs, and which of the tenant's jobs is claimed first.
--   gridpress:batch_order:<class>|<tenant>  zset  batches that have not ended and are not paused, by standing. Equal ones stand
--                                                 by id, which is their age
-- needs: classes, keys

local OVER = { failed = true, completed = true, expired = true, cancelled = true }
local PRIORITY_MS = 1e13 -- between two priorities: 317 years, so no time of one reaches into the next
local FAR_MS = 4e12 -- the year 2096: later than every `finish_by` and every creation
local LOOKED_AT = 50 -- batches at once

local function order_key(class, tenant)
  return P .. 'batch_order:' .. class .. '|' .. tenant
end

-- Fields of a batch; none of a broken record, which its own claim puts aside.
local function batch_fields(batch, ...)
  local known = redis.pcall('HMGET', P .. 'batch:' .. batch, ...)
  return known.err and {} or known
end

-- The place of a batch among the others; the lowest goes first. `order` is -1 (high), 0 or 1 (low).
local function standing_of(order, finish_by_ms)
  return (tonumber(order) or 0) * PRIORITY_MS + (finish_by_ms and finish_by_ms - FAR_MS or 0)
end

-- The rank of a line's job in its lane: the batch's standing. Without a `finish_by` the job's own age follows, so that single
-- jobs of the tenant do not wait for all lines of a batch that is older.
local function rank_of_line(batch, age_rank)
  local known = batch_fields(batch, 'order', 'finish_by_ms')
  local finish_by_ms = tonumber(known[2])
  local standing = standing_of(known[1], finish_by_ms)
  return finish_by_ms and standing or standing + age_rank
end

-- The class of a batch. Versions without this order wrote it into the spec alone.
local function class_of_batch(batch)
  local known = batch_fields(batch, 'class', 'spec')
  if known[1] then return known[1] end
  local is_json, spec = pcall(cjson.decode, known[2])
  return is_json and type(spec) == 'table' and CLASS[spec.priority] and spec.priority or 'batch'
end

-- Puts a batch into the order, or moves it. One that is paused, or releases no more lines, leaves the order.
local function stand(batch)
  local known = batch_fields(batch, 'tenant', 'end', 'paused', 'status', 'order', 'finish_by_ms')
  if not known[1] then return end
  local key = order_key(class_of_batch(batch), known[1])
  if known[2] ~= 'completed' or known[3] or OVER[known[4]] then
    redis.call('ZREM', key, batch)
  else
    redis.call('ZADD', key, standing_of(known[5], tonumber(known[6])), batch)
  end
end

local function leave_order(batch)
  local tenant = batch_fields(batch, 'tenant')[1]
  if tenant then redis.call('ZREM', order_key(class_of_batch(batch), tenant), batch) end
end

-- Lines that are no jobs yet.
local function num_waiting_lines(batch)
  local known = batch_fields(batch, 'status', 'end', 'total', 'open', 'completed', 'failed')
  if known[1] ~= 'in_progress' or known[2] ~= 'completed' then return 0 end
  local num = tonumber(known[3]) or 0
  for i = 4, 6 do num = num - (tonumber(known[i]) or 0) end
  return math.max(0, num)
end

-- The renders that a batch takes of those its tenant should have open: what is open, and what it could release. Lines that
-- wait for their pictures to be fetched leave their room to the batches behind.
local function renders_taken(batch)
  local known = batch_fields(batch, 'renders', 'is_slow')
  return (tonumber(known[1]) or 0) + (known[2] and 0 or num_waiting_lines(batch))
end

-- How many renders a batch should have open: of `most`, what the batches before it leave.
local function target_of(batch, most)
  local key = order_key(class_of_batch(batch), batch_fields(batch, 'tenant')[1] or '')
  local place, left = redis.call('ZRANK', key, batch) or 0, most
  for first = 0, place - 1, LOOKED_AT do
    for _, other in ipairs(redis.call('ZRANGE', key, first, math.min(first + LOOKED_AT, place) - 1)) do
      local status = batch_fields(other, 'status')[1]
      if not status or OVER[status] then
        redis.call('ZREM', key, other) -- a version without this order ended it
      else
        left = left - renders_taken(other)
      end
      if left <= 0 then return 0 end
    end
  end
  return left
end

-- A batch leaves room: the next one that has lines is looked at now.
local function stir_next(batch, now)
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
