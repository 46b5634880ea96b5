-- Ends an attempt of a webhook delivery and logs it. If the lease was lost, the script only logs the attempt.
-- Arguments (ARGV):
--   1 to 3: message, destination, holder of the lease
--   4: outcome, see below
--   5: delay until the next attempt (ms)
--   6: pause of the receiver (ms)
--   7: time of the claim (ms)
--   8: how long the log is stored (ms)
--   9: what a delivered message adds to the usage of its tenant (count_usage.lua), or ''
--   then, if a request was sent, the fields of the log entry: pairs of name and value
-- Outcomes:
--   delivered       the receiver accepted the message
--   delivered_late  the same, but the receiver is slow
--   failed          the attempt failed and will be repeated
--   abandoned       the attempt failed and will not be repeated
--   gone            the receiver answered 410
--   dropped         the job, batch or endpoint of the delivery no longer exists
--   returned        nothing was sent, or this worker interrupted the attempt
--   cut_short       the short timeout ended the attempt, which will be repeated with the full timeout
-- Returns 1, or 0 when the lease was lost.

-- needs: keys, clock, count_usage, duties, endpoint, outbox
-- seldom: disable_endpoint, emit_message
local FAILING_MS, FEWEST_STRIKES = 5 * DAY_MS, 5 -- both limits together disable an endpoint
local FIRST_PAUSE_MS, LONGEST_PAUSE_MS = 5000, 600000
local NUM_KEPT = { ep = 1000, evt = 100, job = 1000 }
local FIELDS = 10 -- argument of the first field of the log entry
local message, destination, holder, outcome = unpack(ARGV, 1, 4)
local delay, spared, claimed, kept = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8]
local now = now_ms()
local about = redis.call('HMGET', P .. 'message:' .. message, 'tenant', 'type', 'job')
local is_endpoint = string.sub(destination, 1, 3) == 'ep_'
local state -- of the destination, read once the lease is known to be current

-- Returns the store's own time (ms). Ids of log entries follow it, not the scripts' clock.
local function server_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Adds the attempt to the log of a job: a list of JSON objects, the newest first. Most jobs have one attempt, for which a
-- stream would take much more memory.
local function log_for_job(job)
  local key, at = P .. 'job_attempts:' .. job, server_ms()
  local function id_of(entry) return string.match(entry or '', '"id":"(%d+)%-(%d+)"') end
  local last_ms, last_number = id_of(redis.call('LINDEX', key, 0) or '')
  local number = 0
  if last_ms and tonumber(last_ms) >= at then at, number = tonumber(last_ms), tonumber(last_number) + 1 end
  local entry = { id = string.format('%.0f-%.0f', at, number), message = message, type = about[2], job = job,
    destination = destination }
  for i = FIELDS, #ARGV, 2 do entry[ARGV[i]] = ARGV[i + 1] end
  local num = redis.call('LPUSH', key, cjson.encode(entry))
  if num > NUM_KEPT.job then redis.call('LTRIM', key, 0, NUM_KEPT.job - 1) end
  for _ = 2, num do
    local oldest_ms = id_of(redis.call('LINDEX', key, -1) or '')
    if oldest_ms and tonumber(oldest_ms) >= at - tonumber(kept) then break end
    redis.call('RPOP', key)
  end
  redis.call('PEXPIRE', key, kept)
end

-- Appends the attempt to the log of an endpoint, or of a message that is about no job.
local function log(of)
  local key = P .. 'attempts:' .. of
  redis.call('XADD', key, 'MAXLEN', '~', NUM_KEPT[string.match(of, '^[^_]*')], '*', 'message', message,
    'type', about[2], 'job', about[3], 'destination', destination, unpack(ARGV, FIELDS))
  redis.call('XTRIM', key, 'MINID', '~', math.max(0, server_ms() - tonumber(kept)))
  redis.call('PEXPIRE', key, kept)
end

local function log_attempt()
  if #ARGV < FIELDS or not about[1] then return end
  if about[3] ~= '' then log_for_job(about[3]) else log(message) end
  if is_endpoint then log(destination) end
end

-- Disables an endpoint. The owner's other endpoints get a webhook message about it.
local function disable_and_report(endpoint, reason)
  if not disable_endpoint(endpoint, reason, now) then return end
  local found = redis.call('HMGET', P .. 'endpoint:' .. endpoint, 'tenant', 'url')
  local type = 'webhook_endpoint.disabled'
  emit_message(found[1], message_of(endpoint, type, now), type, '', now,
    cjson.encode({ id = endpoint, object = 'webhook_endpoint', url = found[2], disabled_reason = reason }))
end

-- Counts a failure of the receiver, pauses the receiver, and may disable its endpoint. Failed attempts that were under
-- way at the same time count as one failure.
local function record_failure()
  local key = P .. 'destination:' .. destination
  local strikes, last = state.strikes, tonumber(redis.call('HGET', key, 'struck_ms') or 0)
  if claimed >= last then
    strikes = strikes + 1
    local pause = spared
    if strikes >= MOST_STRIKES then
      pause = math.max(pause, math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ^ (strikes - MOST_STRIKES)))
    end
    set_class(destination, state, 'failing', strikes, now + pause)
    redis.call('HSET', key, 'struck_ms', now)
  end
  if not is_endpoint then return end
  local endpoint = P .. 'endpoint:' .. destination
  redis.call('HSETNX', endpoint, 'failing_since_ms', now)
  local since = tonumber(redis.call('HGET', endpoint, 'failing_since_ms'))
  if outcome == 'gone' then
    disable_and_report(destination, 'gone')
  elseif strikes >= FEWEST_STRIKES and now - since >= FAILING_MS then
    disable_and_report(destination, 'failing')
  end
end

-- Moves the receiver to the proven or slow class and clears its failures.
local function record_success()
  set_class(destination, state, outcome == 'delivered' and 'proven' or 'slow', 0, 0)
  if is_endpoint then redis.call('HDEL', P .. 'endpoint:' .. destination, 'failing_since_ms') end
end

-- Moves the receiver to the slow or failing class. From now on its attempts get the full timeout.
local function record_cut()
  local has_answered = state.class == 'proven' or state.class == 'slow'
  set_class(destination, state, has_answered and 'slow' or 'failing', state.strikes, state.resumes_ms)
end

-- Returns the pause of a message after its attempt was cut short by the short timeout (ms). The pause is 0 for the
-- first time. It grows with each further time, which happens if the receiver answers only other messages quickly.
local function pause_after_cut()
  local cuts = about[1] and redis.call('HINCRBY', P .. 'message:' .. message, 'cuts:' .. destination, 1) or 1
  return cuts == 1 and 0 or math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ^ (cuts - 2))
end

local is_delivered = outcome == 'delivered' or outcome == 'delivered_late'
local is_uncounted = outcome == 'returned' or outcome == 'cut_short' -- not an attempt that the retry schedule counts
log_attempt()
remove_duty(holder, 'w|' .. destination .. '|' .. message)
if redis.call('HGET', P .. 'holders:' .. destination, message) ~= holder then return 0 end
redis.call('HDEL', P .. 'holders:' .. destination, message)
local was_flying = redis.call('ZREM', P .. 'flying:' .. destination, message) == 1
if not was_flying then redis.call('ZREM', P .. 'due:' .. destination, message) end -- its lease has expired
state = state_of(destination)
if is_uncounted then redis.call('HINCRBY', P .. 'tries:' .. destination, message, -1) end
if outcome == 'cut_short' then delay = pause_after_cut() end
if is_uncounted or outcome == 'failed' then
  redis.call('ZADD', P .. 'due:' .. destination, now + delay, message)
else
  redis.call('HDEL', P .. 'tries:' .. destination, message)
  if about[1] then
    redis.call('HSET', P .. 'message:' .. message, 'to:' .. destination, is_delivered and 'delivered' or 'abandoned')
    if not is_delivered then redis.call('ZADD', P .. 'failed:' .. destination, now, message) end
  end
end
if is_delivered then
  record_success()
  local owner = about[1] or state.tenant
  if ARGV[9] ~= '' and owner ~= '' then count_usage(owner, ARGV[9], now) end
elseif outcome == 'cut_short' then
  record_cut()
elseif outcome ~= 'returned' and outcome ~= 'dropped' then
  record_failure()
end
schedule_destination(destination, false, state)
return 1
