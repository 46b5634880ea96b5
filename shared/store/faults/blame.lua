-- Who is to blame when a worker died. A render may be poison (it crashes the process or hangs the device), or a machine
-- was simply switched off: nobody can tell from one death.
--
-- Suspects are the renders that were in the running step at the worker's last heartbeat, and what it leased after that:
-- it was being admitted. A suspect that got further than at any earlier crash of this stage is none: what kills an
-- attempt at step 30 does not let the next one pass it. A suspect that got no further
--   - and was alone in the step gets a strike; with enough of them it fails as `poison`, a dead letter with evidence;
--   - and was one of several is quarantined with half of them, and that group is halved again by each further crash.
--     As these were suspects of an earlier crash too, the second crash with overlapping members is the first to part
--     them.
-- So a foreign kill -9 condemns nobody: dying alone again and again without a step of progress is no accident. A group
-- needs no end of its own: a member that finishes the stage, or gets further, leaves it.
-- needs: keys, move, stages

local MOST_EVIDENCE = 10

local function send_back(render, state, now)
  local key = P .. 'render:' .. render
  redis.call('HSET', key, 'lost_ms', now, 'lost_worker', redis.call('HGET', key, 'worker'))
  move(render, state, WAITING[RUNS[state]], now)
end

local function write_down(render, worker, stage, is_alone, now)
  local steps = redis.call('HMGET', P .. 'render:' .. render, 'done', 'total')
  local log = redis.call('GET', P .. 'log:' .. worker) or '[]'
  local entry = { worker = worker, stage = stage, at_ms = now, was_alone = is_alone, done = tonumber(steps[1] or 0),
    total = tonumber(steps[2] or 0), log = log }
  redis.call('RPUSH', P .. 'crashes:' .. render, cjson.encode(entry))
  redis.call('LTRIM', P .. 'crashes:' .. render, -MOST_EVIDENCE, -1)
end

-- Whether this attempt got no further than an earlier one; remembers how far it got.
local function is_stuck(render)
  local key = P .. 'render:' .. render
  local steps = redis.call('HMGET', key, 'done', 'best')
  local done = tonumber(steps[1] or 0)
  if steps[2] and done <= tonumber(steps[2]) then return true end
  redis.call('HSET', key, 'best', done)
  redis.call('HDEL', key, 'group')
  return false
end

-- A group's id must never come again: a render has each fence once.
local function quarantine(renders, first, last)
  if first > last then return end
  local group = renders[first] .. '#' .. redis.call('HGET', P .. 'render:' .. renders[first], 'fence')
  for i = first, last do redis.call('HSET', P .. 'render:' .. renders[i], 'group', group) end
end

local function condemn(render, state, strikes, now)
  local stage = RUNS[state]
  local key = P .. 'render:' .. render
  local tenant = redis.call('HGET', P .. 'job:' .. redis.call('HGET', key, 'job'), 'tenant')
  local message = 'its worker died ' .. strikes .. ' times while it was alone in the step and got no further'
  local error = { code = 'poison', message = message, stage = stage, retryable = false }
  redis.call('HSET', key, 'error', cjson.encode(error), 'dead_stage', stage, 'dead_ms', now)
  redis.call('ZADD', P .. 'dead:' .. tenant, 0, render)
  redis.call('SADD', P .. 'dead', tenant)
  move(render, state, 'failed', now)
end

-- Takes back all that a dead worker held. Returns how many were sent back, and how many are poison.
local function blame(worker, stage, most_strikes, now)
  local members = redis.call('SMEMBERS', P .. 'held:' .. worker)
  table.sort(members)
  local suspects, stuck = {}, {}
  for _, render in ipairs(members) do
    if redis.call('HGET', P .. 'render:' .. render, 'in_step') == '1' then table.insert(suspects, render) end
  end
  local is_alone = #suspects == 1
  for _, render in ipairs(suspects) do
    write_down(render, worker, stage, is_alone, now)
    if is_stuck(render) then table.insert(stuck, render) end
  end
  local half = math.ceil(#stuck / 2)
  quarantine(stuck, 1, half)
  quarantine(stuck, half + 1, #stuck)
  if #stuck > 0 then redis.call('SET', P .. 'turn_ended:' .. stage, now) end

  local strikes = is_alone and #stuck == 1 and redis.call('HINCRBY', P .. 'render:' .. stuck[1], 'strikes', 1) or 0
  local is_poison = strikes >= most_strikes
  for _, render in ipairs(members) do
    if is_poison and render == stuck[1] then
      condemn(render, RUNNING[stage], strikes, now)
    else
      send_back(render, RUNNING[stage], now)
    end
  end
  return is_poison and #members - 1 or #members, is_poison and 1 or 0
end
