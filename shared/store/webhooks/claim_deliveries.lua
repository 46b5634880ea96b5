-- Leases due webhook deliveries. Claims serve the classes of receivers in the order proven, new, slow, failing. Within
-- each class of receivers, tenants take turns. The cost does not grow with the number of failing receivers, because
-- they are paused and paused receivers are not due.
-- Arguments (ARGV):
--   1, 2: holder, lease (ms)
--   3: maximum number of attempts under way to one destination
--   4: maximum number of deliveries to lease
--   5: maximum number of these deliveries to new, slow and failing receivers together
--   6: maximum number of these deliveries to slow and failing receivers together
--   7: maximum number of these deliveries to failing receivers
-- Returns a list for each delivery:
--   1 to 4: message, destination, number of the attempt from 1, tenant
--   5, 6: type of the message, job or ''
--   7, 8: time of the event (ms), sequence number
--   9: data (JSON), or '' if the message is about a job
--   10: class of the receiver
--   11: the time now (ms)
--   12: origin of the job or batch, or ''
--   13: record of the job (job_record.lua), or '' if the message is about no job

-- needs: keys, clock, aside, due, duties, job_record, outbox
-- seldom: postpone, set_aside, unschedule
local UNPROVEN_CAP = 2
local MESSAGE = { 'tenant', is_text, 'type', is_text, 'job', is_text, 'at_ms', is_whole,
  'sequence', is_whole, 'data', is_text }
local holder, ttl, cap = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local most = { proven = tonumber(ARGV[4]), new = tonumber(ARGV[5]), slow = tonumber(ARGV[6]),
  failing = tonumber(ARGV[7]) }
local now = now_ms()
local claimed, records = {}, {}

-- Makes deliveries due again whose lease has expired, because their worker died.
local function recover_expired(destination)
  local flying = P .. 'flying:' .. destination
  for _, message in ipairs(redis.call('ZRANGEBYSCORE', flying, '-inf', now)) do
    redis.call('ZREM', flying, message)
    redis.call('ZADD', P .. 'due:' .. destination, now, message)
  end
end

-- Returns how many more attempts may be under way to a destination.
local function room_of(destination, class, strikes)
  local has_answered = class == 'proven' or class == 'slow'
  local allowed = has_answered and cap or math.min(cap, UNPROVEN_CAP)
  if strikes >= MOST_STRIKES then allowed = 1 end
  return allowed - redis.call('ZCARD', P .. 'flying:' .. destination)
end

-- Returns the trace origin of the job or batch that a message is about, or ''. `record` is the record of the job.
local function origin_of(message, job, record)
  if record ~= '' then return value_in(record[1], 'origin') or '' end
  local subject = job ~= '' and 'job:' .. job or 'batch:batch_' .. (string.match(message, '^evt_(%w+)_batch_') or '')
  local origin = redis.pcall('HGET', P .. subject, 'origin')
  return is_text(origin) and origin or ''
end

local function set_message_aside(message, destination, why)
  set_aside('due:' .. destination, message, 'due', why)
  unschedule(message, destination)
end

-- Returns the message's record. If it is gone or broken, returns nil and takes the delivery out of the schedule.
local function read_message(message, destination)
  local known, why = read_record(P .. 'message:' .. message, MESSAGE)
  if known then return known end
  if redis.call('EXISTS', P .. 'message:' .. message) == 1 then
    set_message_aside(message, destination, why)
  else
    unschedule(message, destination)
  end
end

-- Returns the record of a job. It is read once for all messages about the job.
local function record_of(job)
  if job == '' then return '' end
  records[job] = records[job] or job_record(job)
  return records[job]
end

-- Leases one delivery. Returns whether it did.
local function lease(message, destination, class)
  local known = read_message(message, destination)
  if not known then return false end
  local attempt = redis.pcall('HINCRBY', P .. 'tries:' .. destination, message, 1)
  if type(attempt) ~= 'number' then
    if not string.find(attempt.err, 'not an integer') then error(attempt) end
    set_message_aside(message, destination, 'its number of attempts is invalid')
    return false
  end
  redis.call('ZREM', P .. 'due:' .. destination, message)
  redis.call('ZADD', P .. 'flying:' .. destination, now + ttl, message)
  redis.call('HSET', P .. 'holders:' .. destination, message, holder)
  add_duty(holder, 'w|' .. destination .. '|' .. message)
  local record = record_of(known.job)
  table.insert(claimed, { message, destination, attempt, known.tenant, known.type, known.job, known.at_ms,
    known.sequence, known.data, class, now, origin_of(message, known.job, record), record })
  return true
end

-- Leases up to `num` due deliveries to a destination, if it is enabled and not paused.
local function serve(destination, class, num)
  recover_expired(destination)
  local state, leased = state_of(destination), 0
  local room = room_of(destination, state.class, state.strikes)
  if state.resumes_ms <= now and room > 0 and not is_endpoint_disabled(destination) then
    local due = redis.call('ZRANGEBYSCORE', P .. 'due:' .. destination, '-inf', now, 'LIMIT', 0, math.min(room, num))
    for _, message in ipairs(due) do
      if lease(message, destination, class) then leased = leased + 1 end
    end
  end
  schedule_destination(destination, leased >= room, state)
end

-- Serves one receiver. A receiver with broken records is postponed, as in due.lua.
local function serve_or_postpone(destination, class, tenant, num)
  local num_before = #claimed
  local is_served, why = pcall(serve, destination, class, num)
  if not is_served then
    local key = P .. 'line:' .. class .. ':' .. tenant
    redis.call('ZADD', key, now, destination)
    postpone(key, destination, now + POSTPONE_MS, type(why) == 'table' and why.err or why, 'line')
    schedule_tenant(class, tenant)
  end
  return #claimed - num_before
end

-- Serves the next of a tenant's receivers in a class. The tenant leaves the queue first, so that it returns to its end.
local function serve_tenant(tenant, class, num)
  local line = P .. 'line:' .. class
  redis.call('ZREM', line, tenant)
  local destination = redis.call('ZRANGEBYSCORE', line .. ':' .. tenant, '-inf', now, 'LIMIT', 0, 1)[1]
  if not destination then
    schedule_tenant(class, tenant)
    return 0
  end
  redis.call('ZREM', line .. ':' .. tenant, destination)
  return serve_or_postpone(destination, class, tenant, num)
end

-- Serves the due receivers of the class with this index in CLASSES, as far as the limits allow.
local function serve_class(i, class)
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

serve_class(1, CLASSES[1])
local others = {} -- most often no receiver waits in these classes
for i = 2, #CLASSES do others[i - 1] = P .. 'line:' .. CLASSES[i] end
if redis.call('EXISTS', unpack(others)) > 0 then
  for i = 2, #CLASSES do serve_class(i, CLASSES[i]) end
end
return claimed
