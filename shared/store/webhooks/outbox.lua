-- Functions that store webhook messages and their deliveries. A message reports one event. A delivery sends one message
-- to one destination. The script that stores the event calls these functions, so event and message are stored together
-- or not at all.

-- needs: keys, clock, fields

local DAY_MS = 86400000
local KEPT_MS = 30 * DAY_MS -- retention of messages that are about no job; other messages are deleted with their job
local IDLE_MS = 7 * DAY_MS -- time after which the record of an idle destination is deleted
-- The classes of destinations in the order in which claims serve them: proven ones first, failing ones last.
local CLASSES = { 'proven', 'new', 'slow', 'failing' }
-- After so many failures in a row, only one attempt at a time is sent, with growing pauses.
local MOST_STRIKES = 3

-- Returns the id of a message, which is the same for every destination and attempt. `suffix` is the number of retries
-- of a job, or the number of a progress report.
local function message_of(subject, type, suffix)
  local id = 'evt_' .. string.match(subject, '_(.+)$') .. '_' .. string.gsub(type, '%.', '_')
  return suffix and id .. '_' .. suffix or id
end

-- Returns the destination of the `webhook_url` of a job or batch. All these URLs of a tenant with the same scheme and
-- host share one destination.
local function destination_of(tenant, url)
  local origin = string.lower(string.match(url, '^[^/]*//[^/?#]*'))
  return 'url_' .. redis.sha1hex(tenant .. '|' .. origin)
end

-- Returns whether a destination is an endpoint that is not enabled. Its pending deliveries wait until it is enabled.
local function is_endpoint_disabled(destination)
  return string.sub(destination, 1, 3) == 'ep_'
    and redis.call('HGET', P .. 'endpoint:' .. destination, 'status') ~= 'enabled'
end

-- Returns the class, the failures in a row, the end of the pause and the tenant of a destination. `tenant` is needed
-- only for a destination without a record.
local function state_of(destination, tenant)
  local found = redis.call('HMGET', P .. 'destination:' .. destination, 'class', 'strikes', 'resumes_ms', 'tenant')
  return { class = found[1] or 'new', strikes = tonumber(found[2] or 0), resumes_ms = tonumber(found[3] or 0),
    tenant = found[4] or tenant or redis.call('HGET', P .. 'endpoint:' .. destination, 'tenant') or '',
    has_tenant = found[4] ~= false }
end

-- Puts a tenant into the queue of a class, once for all its receivers in the class, at the time at which the first
-- receiver is due. A tenant that was served returns to the end, so a thousand receivers of one tenant don't block the
-- receiver of another tenant.
local function schedule_tenant(class, tenant)
  local line = P .. 'line:' .. class
  local first = redis.call('ZRANGE', line .. ':' .. tenant, 0, 0, 'WITHSCORES')[2]
  if not first then return redis.call('ZREM', line, tenant) end
  local now = now_ms()
  local stands = tonumber(redis.call('ZSCORE', line, tenant) or now)
  redis.call('ZADD', line, math.max(tonumber(first), math.min(stands, now)), tenant)
end

-- Sets the time at which a claim should read a destination (ms); nil means never.
local function set_schedule(destination, state, at)
  local key = P .. 'line:' .. state.class .. ':' .. state.tenant
  if at then redis.call('ZADD', key, at, destination) else redis.call('ZREM', key, destination) end
  schedule_tenant(state.class, state.tenant)
end

-- Schedules a destination for the time at which a claim can do something: when a delivery is due and may be sent, or
-- when a lease ends. Only a claim knows the limit of attempts under way, so only a claim passes `is_full`. `state` is
-- the result of `state_of`, if the caller has it.
local function schedule_destination(destination, is_full, state)
  state = state or state_of(destination)
  if is_endpoint_disabled(destination) then return set_schedule(destination, state, nil) end
  local due = redis.call('ZRANGE', P .. 'due:' .. destination, 0, 0, 'WITHSCORES')[2]
  local lease = redis.call('ZRANGE', P .. 'flying:' .. destination, 0, 0, 'WITHSCORES')[2]
  local is_probed = lease and state.strikes >= MOST_STRIKES
  local at = math.huge
  if due and not is_full and not is_probed then at = math.max(tonumber(due), state.resumes_ms) end
  if lease then at = math.min(at, tonumber(lease)) end
  set_schedule(destination, state, at < math.huge and at or nil)
end

-- Stores the class of a destination, and changes `state` accordingly. The destination leaves the queue of its former
-- class. The caller then schedules it.
local function set_class(destination, state, class, strikes, resumes_ms)
  local key = P .. 'destination:' .. destination
  if state.class ~= class then set_schedule(destination, state, nil) end
  if state.class ~= class or state.strikes ~= strikes or state.resumes_ms ~= resumes_ms then
    redis.call('HSET', key, 'class', class, 'strikes', strikes, 'resumes_ms', resumes_ms)
  end
  redis.call('PEXPIRE', key, IDLE_MS)
  state.class, state.strikes, state.resumes_ms = class, strikes, resumes_ms
end

-- Stores a message, with pending deliveries to its destinations, unless it exists. Returns whether it is new.
local function write_message(message, tenant, type, job, now, data, destinations)
  local key, index = P .. 'message:' .. message, P .. 'messages:' .. tenant
  local is_new
  if job == '' then
    is_new = redis.call('EXISTS', key) == 0
  else
    is_new = redis.call('SADD', P .. 'told:' .. job, message) == 1
  end
  if not is_new then return false end
  local fields = { 'tenant', tenant, 'type', type, 'job', job, 'at_ms', now, 'data', data,
    'sequence', redis.call('INCR', P .. 'sequence:' .. tenant) }
  for _, destination in ipairs(destinations) do
    fields[#fields + 1], fields[#fields + 2] = 'to:' .. destination, 'pending'
  end
  redis.call('HSET', key, unpack(fields))
  redis.call('ZADD', index, now, message)
  redis.call('ZREMRANGEBYSCORE', index, '-inf', now - KEPT_MS)
  if job == '' then redis.call('PEXPIRE', key, KEPT_MS) end
  return true
end

-- Makes a delivery due now, with its attempts counted from 0. An attempt that is under way is left alone. A new message
-- has no earlier attempts, and its deliveries are pending already.
local function deliver(message, destination, now, tenant, is_new)
  local known = P .. 'destination:' .. destination
  local state = state_of(destination, tenant)
  if not state.has_tenant then redis.call('HSET', known, 'tenant', tenant) end
  redis.call('PEXPIRE', known, IDLE_MS)
  if not is_new then
    redis.call('HSET', P .. 'message:' .. message, 'to:' .. destination, 'pending')
    redis.call('ZREM', P .. 'failed:' .. destination, message)
    if redis.call('ZSCORE', P .. 'flying:' .. destination, message) then return end
    redis.call('HDEL', P .. 'tries:' .. destination, message)
  end
  redis.call('ZADD', P .. 'due:' .. destination, now, message)
  schedule_destination(destination, false, state)
end

-- Returns the destinations that subscribe to an event: the tenant's endpoints, and the `webhook_url` of the job or
-- batch. `asked` has these fields of that job or batch: webhook_url, webhook_events and, for the job of a batch line,
-- batch. It is nil for other events. Endpoints get no events of batch lines, only of their batch.
local function subscribed_destinations(tenant, type, asked)
  local found, name = {}, '"' .. type .. '"'
  local is_line = asked and asked.batch
  local subscriptions = is_line and {} or redis.call('HGETALL', P .. 'subscriptions:' .. tenant)
  for i = 1, #subscriptions, 2 do
    if string.find(subscriptions[i + 1], name, 1, true) then table.insert(found, subscriptions[i]) end
  end
  if asked and asked.webhook_url and string.find(asked.webhook_events, name, 1, true) then
    table.insert(found, destination_of(tenant, asked.webhook_url))
  end
  return found
end

-- Stores a message with a delivery to each of these destinations.
local function send_message(found, tenant, message, type, job, now, data)
  local is_new = write_message(message, tenant, type, job, now, data, found)
  for _, destination in ipairs(found) do deliver(message, destination, now, tenant, is_new) end
end

-- Stores a message with a delivery to every destination that subscribes to the event. `data` is JSON, or '' if the
-- message is about a job. `asked` is as above.
local function emit_message(tenant, message, type, job, now, data, asked)
  local found = subscribed_destinations(tenant, type, asked)
  if #found > 0 then send_message(found, tenant, message, type, job, now, data) end
end

-- Returns all destinations of a message.
local function destinations_of(message)
  local found = {}
  for _, field in ipairs(redis.call('HKEYS', P .. 'message:' .. message)) do
    local destination = string.match(field, '^to:(.+)$')
    if destination then table.insert(found, destination) end
  end
  return found
end

-- Takes a delivery out of the schedule. A worker that is just attempting it finds later that its lease was lost.
-- Returns whether the delivery was scheduled.
local function unschedule(message, destination)
  redis.call('HDEL', P .. 'tries:' .. destination, message)
  redis.call('HDEL', P .. 'holders:' .. destination, message)
  local num = redis.call('ZREM', P .. 'due:' .. destination, message)
    + redis.call('ZREM', P .. 'flying:' .. destination, message)
  if num > 0 then schedule_destination(destination) end
  return num > 0
end

-- Abandons the pending deliveries of a message that is no longer true.
local function abandon_pending(message)
  for _, destination in ipairs(destinations_of(message)) do
    if unschedule(message, destination) then
      redis.call('HSET', P .. 'message:' .. message, 'to:' .. destination, 'abandoned')
    end
  end
end

-- Deletes a message, its deliveries and its attempts.
local function delete_message(message, tenant)
  for _, destination in ipairs(destinations_of(message)) do
    unschedule(message, destination)
    redis.call('ZREM', P .. 'failed:' .. destination, message)
  end
  redis.call('DEL', P .. 'message:' .. message, P .. 'attempts:' .. message)
  redis.call('ZREM', P .. 'messages:' .. tenant, message)
end

-- Cancels the waiting deliveries of a message. Returns whether an attempt is under way.
local function cancel_waiting(message)
  local is_flying = false
  for _, destination in ipairs(destinations_of(message)) do
    if redis.call('ZSCORE', P .. 'flying:' .. destination, message) then
      is_flying = true
    else
      unschedule(message, destination)
    end
  end
  return is_flying
end

local are_endpoints_asking = {} -- whether an endpoint of a tenant subscribes to progress

-- Returns whether anybody may subscribe to the progress of a tenant's job: most often nobody does, and heartbeats ask.
local function is_progress_asked(tenant, webhook_events)
  local name = '"job.progress"'
  if are_endpoints_asking[tenant] == nil then
    local listed = table.concat(redis.call('HVALS', P .. 'subscriptions:' .. tenant))
    are_endpoints_asking[tenant] = string.find(listed, name, 1, true) ~= nil
  end
  return are_endpoints_asking[tenant] or string.find(webhook_events or '', name, 1, true) ~= nil
end

-- Stores a progress message of a job and its deliveries. A destination whose previous progress message is still due gets
-- no new one. A job may run for hours, so only the last two messages and those with an attempt under way are kept.
local function send_job_progress(job, tenant, num, now)
  local before, message = message_of(job, 'job.progress', num), message_of(job, 'job.progress', num + 1)
  local is_sent = false
  local asked = fields_of(P .. 'job:' .. job, 'webhook_url', 'webhook_events', 'batch')
  for _, destination in ipairs(subscribed_destinations(tenant, 'job.progress', asked)) do
    if not redis.call('ZSCORE', P .. 'due:' .. destination, before) then
      deliver(message, destination, now, tenant, 
        write_message(message, tenant, 'job.progress', job, now, '', { destination }))
      is_sent = true
    end
  end
  if not is_sent then return end
  redis.call('HSET', P .. 'job:' .. job, 'progress_ms', now, 'num_reports', num + 1)
  for _, old in ipairs(redis.call('SMEMBERS', P .. 'told:' .. job)) do
    local of_report = tonumber(string.match(old, '_job_progress_(%d+)$'))
    if of_report and of_report < num and not cancel_waiting(old) then
      redis.call('SREM', P .. 'told:' .. job, old)
      delete_message(old, tenant)
    end
  end
end

-- Sends the progress of a job to those who subscribe to it, at most once a second. Returns the tenant of the job.
local function emit_job_progress(job, now)
  local known = redis.call('HMGET', P .. 'job:' .. job, 'tenant', 'progress_ms', 'num_reports', 'webhook_events')
  local is_due = not known[2] or now - tonumber(known[2]) >= 1000
  if is_due and is_progress_asked(known[1], known[4]) then
    send_job_progress(job, known[1], tonumber(known[3] or 0), now)
  end
  return known[1]
end

-- Returns whether any delivery of a message about the job is pending. Deliveries to disabled endpoints do not count.
local function has_pending_deliveries(job)
  for _, message in ipairs(redis.call('SMEMBERS', P .. 'told:' .. job)) do
    for _, destination in ipairs(destinations_of(message)) do
      local is_due = redis.call('ZSCORE', P .. 'due:' .. destination, message)
        or redis.call('ZSCORE', P .. 'flying:' .. destination, message)
      if is_due and not is_endpoint_disabled(destination) then return true end
    end
  end
  return false
end

-- Deletes all messages about a job, and the job's log of attempts.
local function delete_job_messages(job, tenant)
  for _, message in ipairs(redis.call('SMEMBERS', P .. 'told:' .. job)) do delete_message(message, tenant) end
  redis.call('DEL', P .. 'told:' .. job, P .. 'job_attempts:' .. job, P .. 'attempts:' .. job)
end

-- Clears the failures of a destination and makes its due deliveries claimable at once.
local function resume_destination(destination)
  local state = state_of(destination)
  if state.class == 'failing' then set_class(destination, state, 'new', 0, 0) end
  schedule_destination(destination, false, state)
end

-- Deletes all records of a destination.
local function delete_destination(destination)
  set_schedule(destination, state_of(destination), nil)
  for _, kind in ipairs({ 'due', 'flying', 'tries', 'holders', 'failed', 'destination', 'attempts' }) do
    redis.call('UNLINK', P .. kind .. ':' .. destination)
  end
end
