-- Messages and their deliveries, committed together with the event that they report. A message reports one event; a delivery
-- is a message for one destination.
-- needs: keys, steady

local DAY_MS = 86400000
local KEPT_MS = 30 * DAY_MS -- of messages that tell of no job; the others leave with their job
local IDLE_MS = 7 * DAY_MS -- after which a destination's past is forgotten
-- In the order in which they are served: what answered soon goes before what may hang, does hang, or fails.
local CLASSES = { 'proven', 'new', 'slow', 'failing' }
-- Failures in a row after which one attempt at a time goes out, and none for a growing while.
local MOST_STRIKES = 3

-- The same for every destination and attempt. `suffix`: the life of a job that has had several, or the number of a report.
local function message_of(subject, type, suffix)
  local id = 'evt_' .. string.match(subject, '_(.+)$') .. '_' .. string.gsub(type, '%.', '_')
  return suffix and id .. '_' .. suffix or id
end

-- Jobs' own URLs share what is known of their receiver, within one tenant.
local function destination_of(tenant, url)
  local origin = string.lower(string.match(url, '^[^/]*//[^/?#]*'))
  return 'url_' .. redis.sha1hex(tenant .. '|' .. origin)
end

-- Nothing is sent to an endpoint that is disabled; what is due waits until it is enabled.
local function is_parked(destination)
  return string.sub(destination, 1, 3) == 'ep_'
    and redis.call('HGET', P .. 'endpoint:' .. destination, 'status') ~= 'enabled'
end

local function state_of(destination)
  local found = redis.call('HMGET', P .. 'destination:' .. destination, 'class', 'strikes', 'resumes_ms', 'tenant')
  return { class = found[1] or 'new', strikes = tonumber(found[2] or 0), resumes_ms = tonumber(found[3] or 0),
    tenant = found[4] or redis.call('HGET', P .. 'endpoint:' .. destination, 'tenant') or '' }
end

-- A tenant stands in the line of a class once for all of its receivers there, from when the first can be served. Whoever
-- was served comes back to the end: a thousand receivers of one tenant don't stand before the one of another.
local function line_up(class, tenant)
  local line = P .. 'line:' .. class
  local first = redis.call('ZRANGE', line .. ':' .. tenant, 0, 0, 'WITHSCORES')[2]
  if not first then return redis.call('ZREM', line, tenant) end
  local now = now_ms()
  local stands = tonumber(redis.call('ZSCORE', line, tenant) or now)
  redis.call('ZADD', line, math.max(tonumber(first), math.min(stands, now)), tenant)
end

-- `at` (ms): from when on a claim should look at it; nil for never.
local function put_in_line(destination, state, at)
  local key = P .. 'line:' .. state.class .. ':' .. state.tenant
  if at then redis.call('ZADD', key, at, destination) else redis.call('ZREM', key, destination) end
  line_up(state.class, state.tenant)
end

-- Puts a destination where the claim looks that can do something for it: when something is due and may go out, or when a
-- lease ends. Only a claim knows how many may be under way, so only it says that a destination `is_full`.
local function place_destination(destination, is_full)
  local state = state_of(destination)
  if is_parked(destination) then return put_in_line(destination, state, nil) end
  local due = redis.call('ZRANGE', P .. 'due:' .. destination, 0, 0, 'WITHSCORES')[2]
  local lease = redis.call('ZRANGE', P .. 'flying:' .. destination, 0, 0, 'WITHSCORES')[2]
  local is_probed = lease and state.strikes >= MOST_STRIKES
  local at = math.huge
  if due and not is_full and not is_probed then at = math.max(tonumber(due), state.resumes_ms) end
  if lease then at = math.min(at, tonumber(lease)) end
  put_in_line(destination, state, at < math.huge and at or nil)
end

-- What is known of a receiver; its place in the old class is given up.
local function set_class(destination, class, strikes, resumes_ms)
  local key = P .. 'destination:' .. destination
  put_in_line(destination, state_of(destination), nil)
  redis.call('HSET', key, 'class', class, 'strikes', strikes, 'resumes_ms', resumes_ms)
  redis.call('PEXPIRE', key, IDLE_MS)
end

-- Writes a message down unless it stands.
local function write_message(message, tenant, type, job, now, data)
  local key = P .. 'message:' .. message
  if redis.call('EXISTS', key) == 1 then return end
  local index = P .. 'messages:' .. tenant
  redis.call('HSET', key, 'tenant', tenant, 'type', type, 'job', job, 'at_ms', now, 'data', data,
    'sequence', redis.call('INCR', P .. 'sequence:' .. tenant))
  redis.call('ZADD', index, now, message)
  redis.call('ZREMRANGEBYSCORE', index, '-inf', now - KEPT_MS)
  if job == '' then redis.call('PEXPIRE', key, KEPT_MS) else redis.call('SADD', P .. 'told:' .. job, message) end
end

-- Makes a delivery due now, as if it had never been tried. An attempt that is under way is left alone.
local function deliver(message, destination, now)
  local known = P .. 'destination:' .. destination
  redis.call('HSET', known, 'tenant', redis.call('HGET', P .. 'message:' .. message, 'tenant'))
  redis.call('PEXPIRE', known, IDLE_MS)
  redis.call('HSET', P .. 'message:' .. message, 'to:' .. destination, 'pending')
  redis.call('ZREM', P .. 'failed:' .. destination, message)
  if redis.call('ZSCORE', P .. 'flying:' .. destination, message) then return end
  redis.call('HDEL', P .. 'tries:' .. destination, message)
  redis.call('ZADD', P .. 'due:' .. destination, now, message)
  place_destination(destination)
end

-- Those who want to hear of it: the tenant's endpoints, and the own URL of the job, or of the batch. `job`: '' if it tells
-- of none; `batch`: nil if it tells of none. Of a line of a batch endpoints hear with the batch.
local function audience(tenant, type, job, batch)
  local found, name = {}, '"' .. type .. '"'
  local is_line = job ~= '' and redis.call('HEXISTS', P .. 'job:' .. job, 'batch') == 1
  local subscriptions = is_line and {} or redis.call('HGETALL', P .. 'subscriptions:' .. tenant)
  for i = 1, #subscriptions, 2 do
    if string.find(subscriptions[i + 1], name, 1, true) then table.insert(found, subscriptions[i]) end
  end
  if job == '' and not batch then return found end
  local asked_by = batch and 'batch:' .. batch or 'job:' .. job
  local own = redis.call('HMGET', P .. asked_by, 'webhook_url', 'webhook_events')
  if own[1] and string.find(own[2], name, 1, true) then table.insert(found, destination_of(tenant, own[1])) end
  return found
end

-- One delivery to everybody who wants to hear of it. `data`: JSON, or '' where the message tells of a job.
local function announce(tenant, message, type, job, now, data, batch)
  local found = audience(tenant, type, job, batch)
  if #found == 0 then return end
  write_message(message, tenant, type, job, now, data)
  for _, destination in ipairs(found) do deliver(message, destination, now) end
end

local function destinations_of(message)
  local found = {}
  for _, field in ipairs(redis.call('HKEYS', P .. 'message:' .. message)) do
    local destination = string.match(field, '^to:(.+)$')
    if destination then table.insert(found, destination) end
  end
  return found
end

-- Takes a delivery out of the schedule. Whoever has it under way finds that it lost its lease.
local function unschedule(message, destination)
  redis.call('HDEL', P .. 'tries:' .. destination, message)
  redis.call('HDEL', P .. 'holders:' .. destination, message)
  local num = redis.call('ZREM', P .. 'due:' .. destination, message)
    + redis.call('ZREM', P .. 'flying:' .. destination, message)
  if num > 0 then place_destination(destination) end
  return num > 0
end

-- What it told is no longer so.
local function withdraw(message)
  for _, destination in ipairs(destinations_of(message)) do
    if unschedule(message, destination) then
      redis.call('HSET', P .. 'message:' .. message, 'to:' .. destination, 'abandoned')
    end
  end
end

local function forget_message(message, tenant)
  for _, destination in ipairs(destinations_of(message)) do
    unschedule(message, destination)
    redis.call('ZREM', P .. 'failed:' .. destination, message)
  end
  redis.call('DEL', P .. 'message:' .. message, P .. 'attempts:' .. message)
  redis.call('ZREM', P .. 'messages:' .. tenant, message)
end

-- It goes nowhere any more where it only waits. Returns whether it is under way somewhere.
local function call_off(message)
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

-- Progress is old after a second: no report goes to where the one before it still waits, and the last two are kept, besides
-- those under way. A job may run for hours.
local function announce_progress(job, now)
  local known = redis.call('HMGET', P .. 'job:' .. job, 'tenant', 'progress_ms', 'num_reports')
  if known[2] and now - tonumber(known[2]) < 1000 then return end
  local num = tonumber(known[3] or 0)
  local before, message = message_of(job, 'job.progress', num), message_of(job, 'job.progress', num + 1)
  local is_told = false
  for _, destination in ipairs(audience(known[1], 'job.progress', job)) do
    if not redis.call('ZSCORE', P .. 'due:' .. destination, before) then
      write_message(message, known[1], 'job.progress', job, now, '')
      deliver(message, destination, now)
      is_told = true
    end
  end
  if not is_told then return end
  redis.call('HSET', P .. 'job:' .. job, 'progress_ms', now, 'num_reports', num + 1)
  for _, old in ipairs(redis.call('SMEMBERS', P .. 'told:' .. job)) do
    local of_report = tonumber(string.match(old, '_job_progress_(%d+)$'))
    if of_report and of_report < num and not call_off(old) then
      redis.call('SREM', P .. 'told:' .. job, old)
      forget_message(old, known[1])
    end
  end
end

-- Whether somebody is still to be told of a job. Who is disabled is not waited for.
local function is_telling(job)
  for _, message in ipairs(redis.call('SMEMBERS', P .. 'told:' .. job)) do
    for _, destination in ipairs(destinations_of(message)) do
      local is_due = redis.call('ZSCORE', P .. 'due:' .. destination, message)
        or redis.call('ZSCORE', P .. 'flying:' .. destination, message)
      if is_due and not is_parked(destination) then return true end
    end
  end
  return false
end

local function forget_told(job, tenant)
  for _, message in ipairs(redis.call('SMEMBERS', P .. 'told:' .. job)) do forget_message(message, tenant) end
  redis.call('DEL', P .. 'told:' .. job, P .. 'attempts:' .. job)
end

-- Its failures are forgotten; what is due goes out.
local function wake_destination(destination)
  if state_of(destination).class == 'failing' then set_class(destination, 'new', 0, 0) end
  place_destination(destination)
end

local function forget_destination(destination)
  put_in_line(destination, state_of(destination), nil)
  for _, kind in ipairs({ 'due', 'flying', 'tries', 'holders', 'failed', 'destination', 'attempts' }) do
    redis.call('UNLINK', P .. kind .. ':' .. destination)
  end
end
