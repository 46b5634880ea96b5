-- Leases deliveries that are due, class by class; within a class, tenants take turns. The cost does not grow with the number
-- of failing receivers: paused ones are not due.
-- ARGV: holder, lease ttl (ms), limit of attempts under way to one destination; how many deliveries to lease, of those to
-- receivers not proven, of those to slow or failing ones, of those to failing ones
-- Returns per delivery: message, destination, attempt from 1, tenant, type, job or '', at (ms), sequence, data or '',
-- class, now (ms), origin of the job or batch or ''.
-- needs: keys, steady, aside, due, duties, outbox
local UNPROVEN_CAP = 2
local MESSAGE = { { 'tenant', is_text }, { 'type', is_text }, { 'job', is_text }, { 'at_ms', is_whole },
  { 'sequence', is_whole }, { 'data', is_text } }
local holder, ttl, cap = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local most = { proven = tonumber(ARGV[4]), new = tonumber(ARGV[5]), slow = tonumber(ARGV[6]), failing = tonumber(ARGV[7]) }
local now = now_ms()
local claimed = {}

-- What a dead process had under way is due again.
local function take_back(destination)
  local flying = P .. 'flying:' .. destination
  for _, message in ipairs(redis.call('ZRANGEBYSCORE', flying, '-inf', now)) do
    redis.call('ZREM', flying, message)
    redis.call('ZADD', P .. 'due:' .. destination, now, message)
  end
end

local function room_of(destination, class, strikes)
  local has_answered = class == 'proven' or class == 'slow'
  local allowed = has_answered and cap or math.min(cap, UNPROVEN_CAP)
  if strikes >= MOST_STRIKES then allowed = 1 end
  return allowed - redis.call('ZCARD', P .. 'flying:' .. destination)
end

local function origin_of(message, job)
  local subject = job ~= '' and 'job:' .. job or 'batch:batch_' .. (string.match(message, '^evt_(%w+)_batch_') or '')
  local origin = redis.pcall('HGET', P .. subject, 'origin')
  return is_text(origin) and origin or ''
end

local function put_aside(message, destination, why)
  set_aside('due:' .. destination, message, 'due', why)
  unschedule(message, destination)
end

-- Returns the message's record; nil, and takes the delivery out of the schedule, where it is gone or broken.
local function read_message(message, destination)
  local known, why = read_record(P .. 'message:' .. message, MESSAGE)
  if known then return known end
  if redis.call('EXISTS', P .. 'message:' .. message) == 1 then
    put_aside(message, destination, why)
  else
    unschedule(message, destination)
  end
end

-- Returns whether the message is leased.
local function lease(message, destination, class)
  local known = read_message(message, destination)
  if not known then return false end
  local attempt = redis.pcall('HINCRBY', P .. 'tries:' .. destination, message, 1)
  if type(attempt) ~= 'number' then
    if not string.find(attempt.err, 'not an integer') then error(attempt) end
    put_aside(message, destination, 'its number of attempts is none')
    return false
  end
  redis.call('ZREM', P .. 'due:' .. destination, message)
  redis.call('ZADD', P .. 'flying:' .. destination, now + ttl, message)
  redis.call('HSET', P .. 'holders:' .. destination, message, holder)
  note_duty(holder, 'w|' .. destination .. '|' .. message)
  table.insert(claimed, { message, destination, attempt, known.tenant, known.type, known.job, known.at_ms, known.sequence,
    known.data, class, now, origin_of(message, known.job) })
  return true
end

local function serve(destination, class, num)
  take_back(destination)
  local state, leased = state_of(destination), 0
  local room = room_of(destination, state.class, state.strikes)
  if state.resumes_ms <= now and room > 0 and not is_parked(destination) then
    local due = redis.call('ZRANGEBYSCORE', P .. 'due:' .. destination, '-inf', now, 'LIMIT', 0, math.min(room, num))
    for _, message in ipairs(due) do
      if lease(message, destination, class) then leased = leased + 1 end
    end
  end
  place_destination(destination, leased >= room)
end

-- A receiver whose own records are broken is put off, as in due.lua.
local function serve_or_put_off(destination, class, tenant, num)
  local num_before = #claimed
  local is_served, why = pcall(serve, destination, class, num)
  if not is_served then
    local key = P .. 'line:' .. class .. ':' .. tenant
    redis.call('ZADD', key, now, destination)
    put_off(key, destination, now + PUT_OFF_MS, type(why) == 'table' and why.err or why, 'line')
    line_up(class, tenant)
  end
  return #claimed - num_before
end

-- The next of a tenant's receivers in a class. Leaves the line first, and so comes back to its end.
local function serve_tenant(tenant, class, num)
  local line = P .. 'line:' .. class
  redis.call('ZREM', line, tenant)
  local destination = redis.call('ZRANGEBYSCORE', line .. ':' .. tenant, '-inf', now, 'LIMIT', 0, 1)[1]
  if not destination then
    line_up(class, tenant)
    return 0
  end
  redis.call('ZREM', line .. ':' .. tenant, destination)
  line_up(class, tenant)
  return serve_or_put_off(destination, class, tenant, num)
end

for i, class in ipairs(CLASSES) do
  local num = most[class]
  for j = 1, i - 1 do num = math.min(num, most[CLASSES[j]]) end
  while num > 0 do
    local ready = redis.call('ZRANGEBYSCORE', P .. 'line:' .. class, '-inf', now, 'LIMIT', 0, num)
    if #ready == 0 then break end
    for _, tenant in ipairs(ready) do
      local leased = num > 0 and serve_tenant(tenant, class, num) or 0
      num = num - leased
      for j = 1, i do most[CLASSES[j]] = most[CLASSES[j]] - leased end
    end
  end
end
return claimed
