-- Functions that recover the renders of a worker that died, and find the renders that crash workers. A render that
-- crashes the process or hangs the device is called poison. One crash alone proves nothing, because the machine may
-- have been switched off.
--
-- The suspects of a crash are two kinds of renders: those in the running step at the worker's last heartbeat, and those
-- that the worker leased after that heartbeat, because it may have been starting them.
-- A suspect is cleared if it got further than at any earlier crash of this stage. For example, a render that kills its
-- attempt at step 30 does not pass step 30 in the next attempt.
-- A suspect that got no further is treated in one of two ways:
--   - If it was alone in the running step, it gets a strike. With enough strikes it fails as `poison` and becomes a
--     dead letter with crash evidence.
--   - If other suspects were in the step, it is quarantined in a group with half of them. Each further crash halves the
--     group again.
-- The first crash only stores how far each suspect got. So groups are made at the second crash with the same suspects.
-- Only repeated crashes count, without progress and alone in the step. So a kill -9 from outside fails no render.
-- A group needs no explicit end: a member that finishes the stage or gets further leaves the group.

-- needs: keys, move, stages

local MOST_EVIDENCE = 10

-- Returns a render to the state in which it waits for the interrupted stage.
local function requeue_render(render, state, now)
  local key = P .. 'render:' .. render
  redis.call('HSET', key, 'lost_ms', now, 'lost_worker', redis.call('HGET', key, 'worker'))
  move(render, state, WAITING[RUNS[state]], now)
end

-- Adds an entry to the crash evidence against a render. Only the newest MOST_EVIDENCE entries are kept.
local function add_crash_evidence(render, worker, stage, is_alone, now)
  local steps = redis.call('HMGET', P .. 'render:' .. render, 'done', 'total')
  local log = redis.call('GET', P .. 'log:' .. worker) or '[]'
  local entry = { worker = worker, stage = stage, at_ms = now, was_alone = is_alone, done = tonumber(steps[1] or 0),
    total = tonumber(steps[2] or 0), log = log }
  redis.call('RPUSH', P .. 'crashes:' .. render, cjson.encode(entry))
  redis.call('LTRIM', P .. 'crashes:' .. render, -MOST_EVIDENCE, -1)
end

-- Returns whether this attempt got no further than an earlier one. Otherwise it stores how far the attempt got.
local function got_no_further(render)
  local key = P .. 'render:' .. render
  local steps = redis.call('HMGET', key, 'done', 'best')
  local done = tonumber(steps[1] or 0)
  if steps[2] and done <= tonumber(steps[2]) then return true end
  redis.call('HSET', key, 'best', done)
  redis.call('HDEL', key, 'group')
  return false
end

-- Makes a group of the renders. The group's id is never used again, because a render has every fence only once.
local function quarantine_group(renders, first, last)
  if first > last then return end
  local group = renders[first] .. '#' .. redis.call('HGET', P .. 'render:' .. renders[first], 'fence')
  for i = first, last do redis.call('HSET', P .. 'render:' .. renders[i], 'group', group) end
end

-- Fails a render as poison and makes it a dead letter.
local function fail_as_poison(render, state, strikes, now)
  local stage = RUNS[state]
  local key = P .. 'render:' .. render
  local tenant = redis.call('HGET', P .. 'job:' .. redis.call('HGET', key, 'job'), 'tenant')
  local message = 'the worker died ' .. strikes
    .. ' times while this picture was alone in the step and made no progress'
  local error = { code = 'poison', message = message, stage = stage, retryable = false }
  redis.call('HSET', key, 'error', cjson.encode(error), 'dead_stage', stage, 'dead_ms', now)
  redis.call('ZADD', P .. 'dead:' .. tenant, 0, render)
  redis.call('SADD', P .. 'dead', tenant)
  move(render, state, 'failed', now)
end

-- Requeues all renders that a dead worker held, or fails one of them as poison. Returns the number of requeued renders
-- and the number of failed renders (0 or 1).
local function recover_dead_worker(worker, stage, most_strikes, now)
  local members = redis.call('SMEMBERS', P .. 'held:' .. worker)
  table.sort(members)
  local suspects, stuck = {}, {}
  for _, render in ipairs(members) do
    if redis.call('HGET', P .. 'render:' .. render, 'in_step') == '1' then table.insert(suspects, render) end
  end
  local is_alone = #suspects == 1
  for _, render in ipairs(suspects) do
    add_crash_evidence(render, worker, stage, is_alone, now)
    if got_no_further(render) then table.insert(stuck, render) end
  end
  local half = math.ceil(#stuck / 2)
  quarantine_group(stuck, 1, half)
  quarantine_group(stuck, half + 1, #stuck)
  if #stuck > 0 then redis.call('SET', P .. 'turn_ended:' .. stage, now) end

  local strikes = is_alone and #stuck == 1 and redis.call('HINCRBY', P .. 'render:' .. stuck[1], 'strikes', 1) or 0
  local is_poison = strikes >= most_strikes
  for _, render in ipairs(members) do
    if is_poison and render == stuck[1] then
      fail_as_poison(render, RUNNING[stage], strikes, now)
    else
      requeue_render(render, RUNNING[stage], now)
    end
  end
  return is_poison and #members - 1 or #members, is_poison and 1 or 0
end
