-- Leases the best waiting render of a stage, or finds nothing. The order: first the class (a lower one within its floor), then
-- the tenant with the lowest tag (see shares.lua), then the lowest rank in the tenant's lanes of the claimer's model
-- revision. The rank is the time of creation, so siblings of a job tie and stay together. Suspects of a crash are claimed as
-- in quarantine.lua.
-- A claim usually looks at one tenant. Each further one was found idle or at its limit, and leaves its pool, so that later
-- claims skip it. Only tenants that the limit on AR's output stops stay in the pool; a claim passes at most MOST_PASSED of them.
-- A render whose records are broken is put aside, and the claim goes on to the next one.
-- A busy worker also claims for a place beyond those that it computes in: ahead of the end of what it computes, or to pre-empt
-- that with a higher class. It finds nothing while another worker could begin the render at once.
-- ARGV: stage, holder, lease ttl (ms), revision, lowest prior_ready limit, worker, floor of a lower class (share of cost),
-- room ('free', 'ahead' or 'beyond'), the lowest class that may be claimed, then per hint that a claim may leave its queue
-- short of: queue, key of its Celery list, message
-- Returns {render, fence, job, index, seed, spec, revised prompt or '', prior or '', origin or '', attempt in this stage from
-- 1, how long the stage's work has waited (ms), the object with the latents of a drained worker or '', and its facts (JSON) or
-- ''}, or an empty list. Where the attempt before was lost with its worker, there follow that worker, how long the attempt
-- lasted, and how long ago it was taken back (ms).
-- needs: classes, keys, steady, aside, deadlines, device_time, door, hints, lane_aside, lanes, load, move
-- needs: open_places, quarantine, shares, stages
local stage, holder, ttl, revision, limit_min, worker, floor, room, least = unpack(ARGV)
local MOST_PASSED = 64
local now = now_ms()
expire_due(now, 100)

local lane_of = {} -- where the claim found a render; nothing for suspects

-- The first of a tenant's renders in its lanes of this revision: of what is pinned to it, and what is to none yet or is a
-- re-render. Also whether the tenant's limit bars some.
local function first_of(class, tenant)
  local own = class .. '|' .. tenant .. '|' .. revision
  local best, best_rank, is_barred
  local function look(lane, begins)
    local head = redis.call('ZRANGE', P .. 'waiting:' .. stage .. ':' .. lane, 0, 0, 'WITHSCORES')
    local rank = tonumber(head[2])
    if not rank then return end
    if begins and is_at_limit(tenant) then
      is_barred = true
    elseif not best or rank < best_rank or (rank == best_rank and head[1] < best) then
      best, best_rank = head[1], rank
      lane_of[best] = lane
    end
  end
  look(own, stage == 'ar')
  look(stage == 'ar' and class .. '|' .. tenant .. '|' or lane_in(stage, own, false), true)
  return best, is_barred
end

-- What was accepted before any worker announced a model is for all: its tenants come into this pool, too.
local function admit_unpinned(class)
  if stage ~= 'ar' or revision == '' then return end
  local pool = 'ar:' .. class .. '|'
  for _, member in ipairs(redis.call('ZRANGE', P .. 'shares:' .. pool, 0, -1)) do
    local tenant = string.match(member, '|(.*)') or ''
    local lane = class .. '|' .. tenant .. '|'
    if redis.call('EXISTS', P .. 'waiting:ar:' .. lane) == 0 then
      leave_pool(pool, tenant)
    else
      join_pool(pool .. revision, tenant)
    end
  end
end

local function first_in_class(class)
  local pool = stage .. ':' .. class .. '|' .. revision
  local may_pass, num_passed = door_of(stage, class, revision, tonumber(limit_min), now), 0
  while num_passed < MOST_PASSED do
    local member = redis.call('ZRANGE', P .. 'shares:' .. pool, num_passed, num_passed)[1]
    if not member then return nil end
    local tenant = string.match(member, '|(.*)') or ''
    local first, is_barred = first_of(class, tenant)
    if not first then
      leave_pool(pool, tenant)
      redis.call('ZREM', P .. 'shares:' .. pool, member) -- of a broken `since`, or this loop would not end
      if is_barred then park(pool, tenant) end
    elseif may_pass(tenant) then
      return first
    else
      num_passed = num_passed + 1
    end
  end
end

-- 0 for a broken record: it is looked at more closely before it is leased.
local function cost_of(render)
  local job = redis.pcall('HGET', P .. 'render:' .. render, 'job')
  local cost = is_text(job) and redis.pcall('HGET', P .. 'job:' .. job, stage .. '_cost')
  return is_whole(cost) and tonumber(cost) or 0
end

-- Whether another worker would begin it at once: one that is idle, or, where this one would not pre-empt, one that would. A
-- render that waits nonetheless waits for a worker that is frozen or cut off, so it is left to others for a moment only.
local function is_left_to_others(class, render)
  local LEFT_MS = 1000
  if room == 'free' then return false end
  local since = redis.pcall('HGET', P .. 'render:' .. render, WAITING[stage] .. '_ms')
  if not is_number(since) or now - tonumber(since) > LEFT_MS then return false end
  return is_other_open(stage, LOWEST, worker, revision, now)
    or (room == 'ahead' and is_other_open(stage, class, worker, revision, now))
end

-- A lower class whose credit pays for its next render goes first. One that can't take it loses it.
local function first_in_turn()
  for _, class in ipairs(BY_RANK) do admit_unpinned(class) end
  for rank = CLASS[least], 1, -1 do
    local class = BY_RANK[rank + 1]
    local pool = stage .. ':' .. class .. '|' .. revision
    local credit = credit_of(pool)
    local first = credit > 0 and first_in_class(class)
    if first and cost_of(first) <= credit then return not is_left_to_others(class, first) and first or nil end
    if credit > 0 and not first then redis.call('HDEL', P .. 'credit', pool) end
  end
  for rank = 0, CLASS[least] do
    local class = BY_RANK[rank + 1]
    local first = first_in_class(class)
    if first then return not is_left_to_others(class, first) and first or nil end
  end
end

-- Returns the render to lease, if any, whether the fair order chose it, and a function that writes down what was decided
-- about turns.
local function choose()
  local group = group_held(worker)
  if room ~= 'free' then
    -- Who runs suspects, or is to run empty for them, takes nothing on top.
    local may_claim = not group and redis.call('HEXISTS', P .. 'turn:' .. stage, worker) == 0
    return may_claim and first_in_turn() or nil, true, function() end
  end
  if group then return next_suspect(stage, revision, group), false, function() end end
  local turns, over = turns_of(stage, worker, now)
  local taken = {}
  for owner in pairs(turns) do taken[group_held(owner) or ''] = true end
  local best, suspect = first_in_turn(), next_suspect(stage, revision, nil, taken)
  local has_ended = #over > 0
  local ended_ms = has_ended and now or tonumber(redis.call('GET', P .. 'turn_ended:' .. stage) or 0)
  local whose, place = 'other', nil
  if suspect then whose, place = whose_turn(stage, worker, turns, group == nil, best ~= nil, ended_ms, now) end

  local function write_turns()
    if place then table.insert(over, place) end
    if #over > 0 then redis.call('HDEL', P .. 'turn:' .. stage, unpack(over)) end
    if whose ~= 'other' then redis.call('HSET', P .. 'turn:' .. stage, worker, whose == 'suspect' and 1 or 0) end
    if has_ended then redis.call('SET', P .. 'turn_ended:' .. stage, now) end
  end
  return (whose == 'suspect' and suspect) or (whose == 'other' and best) or nil, whose == 'other', write_turns
end

local function is_limit(value)
  return value == '' or is_number(value)
end

local function is_url(value)
  return string.find(value, '^[^/]*//') ~= nil
end

-- What a claim, and `move` with all its consequences, need of the records.
local waited, ran, attempts = WAITING[stage] .. '_ms', RUNNING[stage] .. '_ms', stage .. '_attempts'
local RENDER = { { 'job', is_text }, { 'state', is_text }, { 'fence', is_whole }, { attempts, optional(is_whole) },
  { waited, optional(is_number) }, { ran, optional(is_number) }, { 'lost_ms', optional(is_number) },
  { 'revived_ms', optional(is_number) }, { 'lost_worker', optional(is_text) }, { 'started_ms', optional(is_number) } }
local JOB = { { 'revision', is_text }, { 'tenant', is_text }, { 'lane', is_text }, { 'rank', is_number },
  { 'status', is_text }, { 'n', is_few }, { 'left', is_whole }, { 'ar_cost', is_whole }, { 'dit_cost', is_whole },
  { 'execution_timeout_ms', is_limit }, { 'deadline_ms', is_limit }, { 'webhook_url', optional(is_url) },
  { 'webhook_events', optional(is_text) } }

local function fault_of(render, found, job)
  local lane = lane_of[render]
  if found.state ~= WAITING[stage] then return 'it is in state ' .. found.state end
  if lane and lane ~= lane_in(stage, job.lane, found.started_ms) then return 'its job is in lane ' .. job.lane end
  if job.webhook_url and not job.webhook_events then return 'its job has no webhook_events' end
  return fault_of_events(found.job)
end

-- Returns the records of a render and of its job, or nil, nil and why it can't be leased.
local function records_of(render)
  local found, why = read_record(P .. 'render:' .. render, RENDER)
  if not found then return nil, nil, why end
  local job
  job, why = read_record(P .. 'job:' .. found.job, JOB)
  why = why or fault_of(render, found, job)
  if why then return nil, nil, why end
  return found, job
end

-- The first claim pins a job to its model. One accepted before any worker announced a model changes lanes with it. Returns
-- its lane.
local function pin(job, known)
  local lane = string.match(known.lane, '^[^|]*|[^|]*|') .. revision
  redis.call('HSET', P .. 'job:' .. job, 'revision', revision, 'lane', lane)
  if lane == known.lane then return lane end
  for index = 0, tonumber(known.n) - 1 do
    local sibling = job .. ':' .. string.format('%04d', index)
    local found, why = read_record(P .. 'render:' .. sibling, RENDER)
    if found then
      if dequeue(sibling, stage, known.lane, true, job) then enqueue(sibling, stage, lane, known.rank) end
    elseif redis.call('ZSCORE', P .. 'waiting:' .. stage .. ':' .. known.lane, sibling) then
      put_render_aside(sibling, stage, known.lane, why)
    end
  end
  return lane
end

-- Returns the same as `choose`, and the records of the render and of its job.
local function choose_sound()
  for _ = 1, MOST_ASIDE do
    local render, is_in_turn, write_turns = choose()
    if not render then return nil, is_in_turn, write_turns end
    local found, job, why = records_of(render)
    if found then return render, is_in_turn, write_turns, found, job end
    put_render_aside(render, stage, lane_of[render], why)
  end
  return nil, false, function() end
end

-- Latents that upkeep is about to delete are not offered.
local function is_kept(latents)
  local kept_until = latents and redis.call('ZSCORE', P .. 'handovers', latents)
  return kept_until and tonumber(kept_until) > now
end

local best, is_in_turn, write_turns, past, known = choose_sound()
-- When more was due than one call ends: the next call goes on.
if best and is_due(best, now) then return {} end
write_turns()
redis.call('ZADD', P .. 'asking:' .. stage, now + tonumber(ttl), worker)
if not best then
  if room ~= 'ahead' then open_places(stage, worker, least, now + tonumber(ttl)) end
  return {}
end
close_places(stage, worker)
local key, job = P .. 'render:' .. best, past.job
local job_key = P .. 'job:' .. job
local lane, cost = known.lane, tonumber(known[stage .. '_cost'])
if known.revision == '' then lane = pin(job, known) end
local pool, tenant = pool_of(stage, lane)
pay(pool, tenant, cost, is_in_turn)
if is_in_turn then share_out(stage, string.match(lane, '^[^|]*'), revision, cost, tonumber(floor)) end
local fence, attempt = tonumber(past.fence) + 1, tonumber(past[attempts] or 0) + 1
redis.call('HSET', key, 'fence', fence, 'holder', holder, 'worker', worker, 'in_step', 1, attempts, attempt)
if past.lost_worker then redis.call('HDEL', key, 'lost_worker', 'lost_ms') end
-- It waited as one that was begun or not, so it moves before it is begun.
move(best, WAITING[stage], RUNNING[stage], now)
if redis.call('HSETNX', key, 'started_ms', now) == 1 then set_deadline(best, job_key, 'execution_timeout', now) end
give_device_time(stage, worker, now)
redis.call('SADD', P .. 'held:' .. worker, best)
redis.call('HSET', P .. 'claimed', stage, now)
redis.call('ZADD', P .. 'leases', now + tonumber(ttl), best)
-- A worker that dies before its first heartbeat must be known to have lived.
redis.call('ZADD', P .. 'workers:' .. stage, 'NX', now + tonumber(ttl), worker)

for i = 10, #ARGV, 3 do send_hints(ARGV[i], ARGV[i + 1], ARGV[i + 2], holder, 1, now) end

local render = redis.call('HMGET', key, 'index', 'seed', 'prior', 'handover', 'handover_facts')
local asked = redis.call('HMGET', job_key, 'spec', 'revised_prompt', 'origin')
local has_latents = is_kept(render[4])
if stage == 'dit' and not has_latents then redis.call('HSET', key, 'device_ms', 0) end
local claimed = { best, fence, job, render[1], render[2], asked[1], asked[2] or '', render[3] or '', asked[3] or '', attempt,
  now - math.max(tonumber(past[waited] or now), tonumber(past.revived_ms or 0)),
  has_latents and render[4] or '', has_latents and render[5] or '' }
if past[ran] and past.lost_worker and past.lost_ms then
  for _, value in ipairs({ past.lost_worker, past.lost_ms - past[ran], now - past.lost_ms }) do
    table.insert(claimed, value)
  end
end
return claimed
