-- Who runs suspects, and when. A group of suspects (see blame.lua) runs on a worker that holds nothing else, so that
-- its crash costs no other render; the other workers go on with the rest. One worker of a stage at a time has the turn:
--   - an empty worker takes it at once when nothing else waits;
--   - else the next worker that asks takes it PATIENCE_MS after the last turn ended. It claims nothing until it is
--     empty, then takes one group, and nothing but that group.
-- A turn ends when its worker holds nothing any more, dies or leaves. So with a single worker suspects and others take
-- turns: neither starves.

local PATIENCE_MS = 5000

-- The next waiting suspect that this model revision may run: of `group`, or of any.
local function next_suspect(stage, revision, group)
  for _, render in ipairs(redis.call('ZRANGE', P .. 'quarantine:' .. stage, 0, 99)) do
    local known = redis.call('HMGET', P .. 'render:' .. render, 'job', 'group')
    local job = redis.call('HMGET', P .. 'job:' .. known[1], 'revision', 'tenant')
    local may_begin = stage ~= 'ar' or not is_at_limit(job[2])
    if job[1] == revision and may_begin and (not group or known[2] == group) then return render end
  end
end

-- Returns whether the worker holds anything, and the group that it holds.
local function holding(worker)
  local one = redis.call('SRANDMEMBER', P .. 'held:' .. worker)
  return one ~= false, one and redis.call('HGET', P .. 'render:' .. one, 'group') or nil
end

local function is_turn_over(turn, stage, worker, now)
  local owner, has_started = turn[1], turn[2]
  local has_run = has_started and not holding(owner)
  return has_run or (owner ~= worker and not is_alive(owner, stage, now))
end

-- What a worker that holds no suspect does while some wait: 'suspect', 'other', or 'nothing' (until it is empty).
local function whose_turn(stage, worker, is_empty, others_wait, now)
  local key = P .. 'turn:' .. stage
  local turn = redis.call('HMGET', key, 'worker', 'started', 'ended_ms')
  if turn[1] and is_turn_over(turn, stage, worker, now) then
    redis.call('HDEL', key, 'worker', 'started')
    redis.call('HSET', key, 'ended_ms', now)
    turn = { false, false, now }
  end
  if turn[1] and turn[1] ~= worker then return 'other' end
  local is_patient = now - tonumber(turn[3] or 0) < PATIENCE_MS
  if not turn[1] and is_patient and (others_wait or not is_empty) then return 'other' end
  redis.call('HSET', key, 'worker', worker)
  if not is_empty then return 'nothing' end
  redis.call('HSET', key, 'started', 1)
  return 'suspect'
end
