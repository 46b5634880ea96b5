-- Ends a delivery attempt and logs it; changes nothing else unless the holder is current.
-- ARGV: message, destination, holder, outcome, delay until the next attempt (ms), pause of the receiver (ms), time of the claim
-- (ms), how long the log is kept (ms); then, unless nothing was sent, the log entry: field, value, ...
-- Outcomes: 'delivered'; 'delivered_late' (the receiver is slow); 'failed', to be retried; 'abandoned'; 'gone' (the receiver
-- answered 410); 'dropped' (its job or endpoint is gone); 'returned' (not sent, or interrupted by us); 'cut_short' (it had
-- only the short time-out and is retried with the full one)
-- Returns 1, or 0 when the lease was lost.
-- needs: keys, steady, duties, endpoint, outbox
local FAILING_MS, FEWEST_STRIKES = 5 * DAY_MS, 5 -- both together disable an endpoint
local FIRST_PAUSE_MS, LONGEST_PAUSE_MS = 5000, 600000
local NUM_KEPT = { ep = 1000, evt = 100, job = 1000 }
local message, destination, holder, outcome = unpack(ARGV, 1, 4)
local delay, spared, claimed, kept = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8]
local now = now_ms()
local about = redis.call('HMGET', P .. 'message:' .. message, 'tenant', 'type', 'job')
local is_endpoint = string.sub(destination, 1, 3) == 'ep_'

local function log(of)
  local key = P .. 'attempts:' .. of
  redis.call('XADD', key, 'MAXLEN', '~', NUM_KEPT[string.match(of, '^[^_]*')], '*', 'message', message, 'type', about[2],
    'job', about[3], 'destination', destination, unpack(ARGV, 9))
  -- Entries are named after the server's clock, whatever ours is.
  redis.call('XTRIM', key, 'MINID', '~', math.max(0, redis.call('TIME')[1] * 1000 - tonumber(kept)))
  redis.call('PEXPIRE', key, kept)
end

local function log_attempt()
  if #ARGV < 9 or not about[1] then return end
  log(message)
  if about[3] ~= '' then log(about[3]) end
  if is_endpoint then log(destination) end
end

-- Nothing more is sent to it; its owner's other endpoints are told.
local function give_up_on(endpoint, reason)
  if not disable_endpoint(endpoint, reason, now) then return end
  local found = redis.call('HMGET', P .. 'endpoint:' .. endpoint, 'tenant', 'url')
  local type = 'webhook_endpoint.disabled'
  announce(found[1], message_of(endpoint, type, now), type, '', now,
    cjson.encode({ id = endpoint, object = 'webhook_endpoint', url = found[2], disabled_reason = reason }))
end

-- Attempts that were under way together count once.
local function strike()
  local key = P .. 'destination:' .. destination
  local strikes, last = state_of(destination).strikes, tonumber(redis.call('HGET', key, 'struck_ms') or 0)
  if claimed >= last then
    strikes = strikes + 1
    local pause = spared
    if strikes >= MOST_STRIKES then
      pause = math.max(pause, math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ^ (strikes - MOST_STRIKES)))
    end
    set_class(destination, 'failing', strikes, now + pause)
    redis.call('HSET', key, 'struck_ms', now)
  end
  if not is_endpoint then return end
  local endpoint = P .. 'endpoint:' .. destination
  redis.call('HSETNX', endpoint, 'failing_since_ms', now)
  local since = tonumber(redis.call('HGET', endpoint, 'failing_since_ms'))
  if outcome == 'gone' then
    give_up_on(destination, 'gone')
  elseif strikes >= FEWEST_STRIKES and now - since >= FAILING_MS then
    give_up_on(destination, 'failing')
  end
end

local function praise()
  set_class(destination, outcome == 'delivered' and 'proven' or 'slow', 0, 0)
  if is_endpoint then redis.call('HDEL', P .. 'endpoint:' .. destination, 'failing_since_ms') end
end

-- From now on it gets all its time, in the company of those that hang.
local function doubt()
  local state = state_of(destination)
  local has_answered = state.class == 'proven' or state.class == 'slow'
  set_class(destination, has_answered and 'slow' or 'failing', state.strikes, state.resumes_ms)
end

-- The first time it is due at once. A receiver that is quick with all else may be cut short again: then it is spared.
local function pause_of_cut()
  local cuts = about[1] and redis.call('HINCRBY', P .. 'message:' .. message, 'cuts:' .. destination, 1) or 1
  return cuts == 1 and 0 or math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ^ (cuts - 2))
end

local is_delivered = outcome == 'delivered' or outcome == 'delivered_late'
local was_none = outcome == 'returned' or outcome == 'cut_short' -- of the attempts that the schedule counts
log_attempt()
end_duty(holder, 'w|' .. destination .. '|' .. message)
if redis.call('HGET', P .. 'holders:' .. destination, message) ~= holder then return 0 end
redis.call('HDEL', P .. 'holders:' .. destination, message)
redis.call('ZREM', P .. 'flying:' .. destination, message)
redis.call('ZREM', P .. 'due:' .. destination, message)
if was_none then redis.call('HINCRBY', P .. 'tries:' .. destination, message, -1) end
if outcome == 'cut_short' then delay = pause_of_cut() end
if was_none or outcome == 'failed' then
  redis.call('ZADD', P .. 'due:' .. destination, now + delay, message)
else
  redis.call('HDEL', P .. 'tries:' .. destination, message)
  if about[1] then
    redis.call('HSET', P .. 'message:' .. message, 'to:' .. destination, is_delivered and 'delivered' or 'abandoned')
    if not is_delivered then redis.call('ZADD', P .. 'failed:' .. destination, now, message) end
  end
end
if is_delivered then
  praise()
elseif outcome == 'cut_short' then
  doubt()
elseif outcome ~= 'returned' and outcome ~= 'dropped' then
  strike()
end
place_destination(destination)
return 1
