-- Functions that decide which worker runs suspects, and when. A suspect is a render that may have crashed its worker. A
-- group of suspects (see blame.lua) runs on a worker that holds nothing else, so that a crash costs no other render.
-- Meanwhile the other workers run the other renders.
-- A turn is the period in which one worker runs suspects. The peers of a worker are the live workers of its model revision
-- that can render all sizes that it can render: they alone can run all that waits for it meanwhile. At most half of the
-- workers that are peers, but always at least one, may have a turn at the same time. Each runs a different group:
--   - A worker that holds no render starts a turn at once. It may take over the turn of a peer that is still draining for
--     it.
--   - A worker that holds renders claims nothing until they have ended. Then it takes one group, and only renders of
--     that group.
--   - If a worker has no peer, other renders get PATIENCE_MS between two turns while any of them wait.
-- A turn ends when its worker holds nothing more, dies or leaves. So neither suspects nor other renders starve.

-- needs: keys, aside, load, paused, sizes, workers

local PATIENCE_MS = 1000

-- Returns the group of suspects that a worker runs; false when the worker's renders are no suspects or can't be read;
-- nil when the worker holds no render.
local function group_held(worker)
  local one = redis.call('SRANDMEMBER', P .. 'held:' .. worker)
  if not one then return nil end
  local group = redis.pcall('HGET', P .. 'render:' .. one, 'group')
  return is_text(group) and group
end

-- Returns the turns of a stage by worker, 'started' or 'waits', and a list of workers whose turn is over.
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

-- Returns the next waiting suspect that a worker of this model revision and these sizes may run: of `group`, or of any group that is not `taken`.
-- It also returns a suspect with broken records, which the claim then sets aside.
local function next_suspect(stage, revision, sizes, group, taken)
  local is_paused = pause_check()
  for _, render in ipairs(redis.call('ZRANGE', P .. 'quarantine:' .. stage, 0, -1)) do
    local known = redis.pcall('HMGET', P .. 'render:' .. render, 'job', 'group')
    if not known[1] then return render end
    local is_wanted = group and known[2] == group or not group and not taken[known[2]]
    if is_wanted then
      local job = redis.pcall('HMGET', P .. 'job:' .. known[1], 'revision', 'tenant', 'lane')
      if not (job[1] and job[2]) then return render end
      local is_held = is_paused and pause_of_lane(is_paused, stage, job[3] or '')
      local is_fit = job[1] == revision and can_render(sizes, size_of(job[3] or ''))
      if is_fit and not is_held and (stage ~= 'ar' or not is_at_limit(job[2])) then return render end
    end
  end
end

-- Returns the ids of the peers of a worker as a set, without the worker itself, and their number. A worker that has claimed
-- before its first heartbeat has announced neither revision nor sizes, and counts as a peer.
local function peers_of(stage, worker, revision, sizes, now)
  local peers, num = {}, 0
  for _, other in ipairs(live_workers(stage, now)) do
    local is_peer = not other.revision or (other.revision == revision and can_render_all(other.sizes, sizes))
    if is_peer and other.id ~= worker then peers[other.id], num = true, num + 1 end
  end
  return peers, num
end

-- Returns the peer whose drain for a turn the worker takes over: the first by name, so that the result does not depend
-- on the order of a Lua table.
local function first_draining(turns, peers)
  local first
  for owner, turn in pairs(turns) do
    if turn == 'waits' and peers[owner] and (not first or owner < first) then first = owner end
  end
  return first
end

-- Returns whether a worker may start a turn now, by the turns of its peers and the time since the last turn.
local function may_begin_turn(turns, peers, num_peers, is_empty, others_wait, ended_ms, now)
  local num_taken = 0
  for owner in pairs(turns) do num_taken = num_taken + (peers[owner] and 1 or 0) end
  if num_taken >= math.max(1, math.floor((num_peers + 1) / 2)) then return false end
  local is_patient = num_peers == 0 and math.abs(now - ended_ms) < PATIENCE_MS
  return not is_patient or (is_empty and not others_wait)
end

-- Decides what a worker that holds no suspect may claim while suspects wait: 'suspect', 'other', or 'nothing' until it
-- holds no render. The second result is the worker whose turn it takes or continues (possibly itself), or nil.
local function decide_turn(stage, worker, revision, sizes, turns, is_empty, others_wait, ended_ms, now)
  local peers, num_peers = peers_of(stage, worker, revision, sizes, now)
  local place = turns[worker] and worker or (is_empty and first_draining(turns, peers)) or nil
  if not place and not may_begin_turn(turns, peers, num_peers, is_empty, others_wait, ended_ms, now) then
    return 'other'
  end
  return is_empty and 'suspect' or 'nothing', place
end
