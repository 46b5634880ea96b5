-- Who runs suspects, and when. A group of suspects (see blame.lua) runs on a worker that holds nothing else, so that
-- its crash costs no other render; the other workers go on with the rest. At most half of a stage's live workers, and
-- at least one, have such a turn at once, each with a group of its own:
--   - an empty worker takes its turn at once, also in the place of one that is still being let run empty;
--   - a busy one claims nothing until it is empty, then takes one group, and nothing but that group;
--   - where only one worker lives, others have PATIENCE_MS between two turns while any of them wait.
-- A turn ends when its worker holds nothing any more, dies or leaves. So neither suspects nor others starve.
-- needs: keys, aside, load, workers

local PATIENCE_MS = 1000

-- The group that a worker holds: false for renders that are no suspects or can't be read, nil when it holds nothing.
local function group_held(worker)
  local one = redis.call('SRANDMEMBER', P .. 'held:' .. worker)
  if not one then return nil end
  local group = redis.pcall('HGET', P .. 'render:' .. one, 'group')
  return is_text(group) and group
end

-- Turns by worker: 'started' or 'waits'; and whether one of them was found to be over.
local function turns_of(stage, worker, now)
  local turns, over = {}, {}
  local flat = redis.call('HGETALL', P .. 'turn:' .. stage)
  for i = 1, #flat, 2 do
    local owner, has_started = flat[i], flat[i + 1] == '1'
    local has_run = has_started and group_held(owner) == nil
    if has_run or (owner ~= worker and not is_alive(owner, stage, now)) then
      table.insert(over, owner)
    else
      turns[owner] = has_started and 'started' or 'waits'
    end
  end
  return turns, over
end

-- The next waiting suspect that this model revision may run: of `group`, or of any that is not `taken`. Also one whose
-- records are broken, for the claim to put aside.
local function next_suspect(stage, revision, group, taken)
  for _, render in ipairs(redis.call('ZRANGE', P .. 'quarantine:' .. stage, 0, -1)) do
    local known = redis.pcall('HMGET', P .. 'render:' .. render, 'job', 'group')
    if not known[1] then return render end
    local is_wanted = group and known[2] == group or not group and not taken[known[2]]
    if is_wanted then
      local job = redis.pcall('HMGET', P .. 'job:' .. known[1], 'revision', 'tenant')
      if not (job[1] and job[2]) then return render end
      if job[1] == revision and (stage ~= 'ar' or not is_at_limit(job[2])) then return render end
    end
  end
end

-- One of the workers that are let run empty. The first by name, so that the choice does not depend on a table's order.
local function first_that_waits(turns)
  local first
  for owner, turn in pairs(turns) do
    if turn == 'waits' and (not first or owner < first) then first = owner end
  end
  return first
end

local function may_begin_turn(stage, worker, turns, is_empty, others_wait, ended_ms, now)
  local num_taken, num_live = 0, redis.call('ZCOUNT', P .. 'workers:' .. stage, '(' .. now, '+inf')
  for _ in pairs(turns) do num_taken = num_taken + 1 end
  if not is_alive(worker, stage, now) then num_live = num_live + 1 end
  if num_taken >= math.max(1, math.floor(num_live / 2)) then return false end
  local is_patient = num_live < 2 and math.abs(now - ended_ms) < PATIENCE_MS
  return not is_patient or (is_empty and not others_wait)
end

-- What a worker that holds no suspect does while some wait: 'suspect', 'other', or 'nothing' (until it is empty); and
-- whose turn it takes over, if anybody's.
local function whose_turn(stage, worker, turns, is_empty, others_wait, ended_ms, now)
  local place = turns[worker] and worker or (is_empty and first_that_waits(turns)) or nil
  if not place and not may_begin_turn(stage, worker, turns, is_empty, others_wait, ended_ms, now) then return 'other' end
  return is_empty and 'suspect' or 'nothing', place
end
