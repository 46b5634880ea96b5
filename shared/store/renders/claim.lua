-- Leases the first waiting render of a stage to a worker. The fair order decides which render is first: first by class,
-- then by the tenant with the lowest tag (see shares.lua), then by rank. A lower class goes first if its floor (its
-- least share of cost) allows that.
-- The rank is the time of creation. The renders of a job have equal ranks, so they stay together. A claim reads a
-- tenant's lanes (queues of one stage, class, tenant, revision and size class) for the worker's model revision and the
-- sizes that the worker can render. Suspects of a crash
-- are claimed as in quarantine.lua.
--
-- A claim usually reads the lanes of one tenant. It reads a further tenant only if the tenant before has nothing to
-- claim or is at a limit. A tenant without anything to claim, or at its own limit, leaves the pool (the set of tenants
-- from which workers claim), so that later claims skip it. A tenant that is stopped by the limit on AR's output stays
-- in the pool. A claim passes at most MOST_PASSED of these tenants. A paused tenant leaves the pool like one at its limit. A render with broken records is set aside, and the
-- claim continues with the next render.
--
-- A busy worker also claims renders that it can't begin at once. It prepares one for the time at which its current
-- renders end, or it pre-empts them with a render of a higher class. The script gives it no render that another worker
-- could begin at once.
--
-- Arguments (ARGV):
--   1 to 4: stage, holder of the lease, length of the lease (ms), model revision
--   5: lowest limit of renders that AR finishes ahead of the DiT (ahead_limit.lua)
--   6: worker
--   7: floor of a lower class (share of cost)
--   8: room: 'free' to begin at once, 'ahead' to prepare a render, 'beyond' to pre-empt
--   9: the lowest class that may be claimed
--   10: the size classes that the worker can render (sizes.lua)
--   then for each hint that a queue may lack after the claim: queue, key of the queue's Celery list, message
-- Returns {'due'} when renders have reached their time limits: the caller runs expire.lua and this script once more.
-- Returns an empty list when there is nothing to claim, or a list:
--   1 to 5: render, fence, job, index, seed
--   6, 7: spec (JSON), revised prompt or ''
--   8: prior (token grid) or ''
--   9: origin or ''
--   10: number of this attempt in the stage, from 1
--   11: how long the render has waited for the stage (ms)
--   12, 13: the object with the latents of a drained worker or '', and its facts (JSON) or ''
--   14: the software and device that computed the token grid (JSON) or ''
--   15: device time of the AR stage (ms) or ''
--   16 to 18, only if the attempt before was lost with its worker: that worker, how long the attempt lasted (ms), and
--      how long ago the render was recovered (ms)

-- needs: classes, keys, clock, aside, deadlines, device_time, ahead_limit, hints, lane_aside, lanes, load, move
-- needs: open_places, paused, quarantine, rerouting, shares, size_names, sizes, stages
-- seldom: add_member, decide_turn, device_order, emit_message, is_other_open, lane_of_size, leave_pool, live_slots
-- seldom: move_to_lane, next_suspect, num_due, num_wanted_of_stage, open_places, park, pause_check, put_render_aside
-- seldom: refund, send_message
-- seldom: set_deadline, set_tag, tag_of, turns_of, unpark
local stage, holder, ttl, revision, limit_min, worker, floor, room, least, sizes = unpack(ARGV)
local MOST_PASSED = 64
local now = now_ms()
if is_any_due(now) then return { 'due' } end

local lane_of = {} -- the lane in which the claim found each render; suspects have none
local found_in = {} -- of each render: the pool in which its tenant was found, and the tenant's member and tag there

-- Whether renders may wait that were accepted before any worker announced a model revision: one such pool exists.
local unpinned = {}
for _, class in ipairs(BY_RANK) do
  table.insert(unpinned, P .. 'shares:ar:' .. class .. '|')
  for _, size in ipairs(SIZES) do table.insert(unpinned, P .. 'shares:ar:' .. class .. '||' .. size) end
end

-- Most often there are none of these pools, nothing is paused, no suspect waits and no worker has a turn. One command
-- finds this out.
local is_usual = redis.call('EXISTS', P .. 'paused', P .. 'quarantine:' .. stage, P .. 'turn:' .. stage,
  unpack(unpinned)) == 0
local is_paused = not is_usual and pause_check() or nil -- nil if nothing is paused
local are_any_unpinned = not is_usual and stage == 'ar' and redis.call('EXISTS', unpack(unpinned)) > 0

local begun = {} -- of each size class: whether AR begins renders of it
-- Returns whether AR begins renders of a size class at all: not while DiT workers live and none can render it.
local function is_begun(size)
  if stage ~= 'ar' or size == '' then return true end
  if begun[size] == nil then begun[size] = limit_of_size(size, revision, tonumber(limit_min), now) > 0 end
  return begun[size]
end

-- Returns the pools of a class from which this worker claims, and their size classes. There are larger sizes only while
-- such renders wait. Pools of sizes that AR does not begin are left out, or their tenants would hold up all others: a
-- claim passes only a few tenants that are stopped.
local function pools_of(class)
  local pools, own_sizes = {}, {}
  for _, pool in ipairs(pools_beside(stage .. ':' .. class .. '|' .. revision)) do
    local size = string.match(pool, '^[^|]*|[^|]*|(.*)$') or ''
    if can_render(sizes, size) and is_begun(size) then
      table.insert(pools, pool)
      table.insert(own_sizes, size)
    end
  end
  return pools, own_sizes
end

-- Returns the first of a tenant's renders that this worker may claim. It reads two lanes of each size: the lane of this
-- revision, and the lane without a revision (AR) or of re-renders (DiT). The second result says whether the tenant's
-- limit or a pause bars some of the renders, and the third one whether the limit on AR's output stops some.
local function first_of(class, tenant, own_sizes, may_begin)
  if is_paused and is_paused('tenant', tenant) then return nil, true end
  local best, best_rank, is_barred, is_stopped
  local function look(lane, begins, size)
    local head = redis.call('ZRANGE', P .. 'waiting:' .. stage .. ':' .. lane, 0, 0, 'WITHSCORES')
    local rank = tonumber(head[2])
    if not rank then return end
    if begins and is_at_limit(tenant) then
      is_barred = true
    elseif not may_begin(size, tenant) then
      is_stopped = true
    elseif not best or rank < best_rank or (rank == best_rank and head[1] < best) then
      best, best_rank = head[1], rank
      lane_of[best] = lane
    end
  end
  for _, size in ipairs(own_sizes) do
    local own = class .. '|' .. tenant .. '|' .. revision .. suffix_of(size)
    look(own, stage == 'ar', size)
    if stage == 'dit' then
      look(lane_name(stage, own, false), true, size)
    elseif are_any_unpinned then
      look(class .. '|' .. tenant .. '|' .. suffix_of(size), true, size)
    end
  end
  return best, is_barred, is_stopped
end

-- Adds tenants to this revision's pool if their renders were accepted before any worker announced a model revision. Any
-- worker may claim these renders.
local function admit_unpinned(class)
  if not are_any_unpinned or revision == '' then return end
  for _, pool in ipairs(pools_beside('ar:' .. class .. '|')) do
    local suffix = string.match(pool, '^[^|]*|(.*)$')
    for _, member in ipairs(redis.call('ZRANGE', P .. 'shares:' .. pool, 0, -1)) do
      local tenant = string.match(member, '|(.*)') or ''
      if redis.call('EXISTS', P .. 'waiting:ar:' .. class .. '|' .. tenant .. '|' .. suffix) == 0 then
        leave_pool(pool, tenant)
      else
        join_pool('ar:' .. class .. '|' .. revision .. suffix, tenant)
      end
    end
  end
end

-- Returns a function that returns whether AR may begin a render of a size class and a tenant (ahead_limit.lua).
local function begin_check(class)
  local checks = {}
  return function(size, tenant)
    checks[size] = checks[size] or ahead_check(stage, class, revision, tonumber(limit_min), now, size)
    return checks[size](tenant)
  end
end

-- Returns the first member of several pools, its tag, and its pool. `passed` has the number of members that are passed
-- in each pool.
local function first_member(pools, passed)
  local best, best_tag, best_pool
  for _, pool in ipairs(pools) do
    local index = passed[pool] or 0
    local member, tag = unpack(redis.call('ZRANGE', P .. 'shares:' .. pool, index, index, 'WITHSCORES'))
    tag = tonumber(tag)
    if member and (not best or tag < best_tag or (tag == best_tag and member < best)) then
      best, best_tag, best_pool = member, tag, pool
    end
  end
  return best, best_tag, best_pool
end

-- Returns the first render of a class in the order of the pools, or nil.
local function first_in_class(class)
  if is_paused and is_paused('class', class) then return nil end
  local pools, own_sizes = pools_of(class)
  local may_begin, passed, num_passed = begin_check(class), {}, 0
  while num_passed < MOST_PASSED do
    local member, tag, pool = first_member(pools, passed)
    if not member then return nil end
    local tenant = string.match(member, '|(.*)') or ''
    local first, is_barred, is_stopped = first_of(class, tenant, own_sizes, may_begin)
    if first then
      found_in[first] = { pool = pool, member = member, tag = tag }
      return first
    elseif is_stopped then
      passed[pool], num_passed = (passed[pool] or 0) + 1, num_passed + 1
    else
      leave_pool(pool, tenant)
      -- removes a member with a broken `since`, or this loop would not end
      redis.call('ZREM', P .. 'shares:' .. pool, member)
      if is_barred then park(pool, tenant) end
    end
  end
end

-- Returns the cost of a render, or 0 for a broken record, which is checked before the lease.
local function cost_of(render)
  local job = redis.pcall('HGET', P .. 'render:' .. render, 'job')
  local cost = is_text(job) and redis.pcall('HGET', P .. 'job:' .. job, stage .. '_cost')
  return is_whole(cost) and tonumber(cost) or 0
end

-- Returns whether the render should be left to another worker that would begin it at once: an idle worker or, if this
-- worker would not pre-empt, a worker that would. A render that still waits after LEFT_MS is not left: the other worker
-- is frozen or unreachable.
local function is_left_to_others(class, render)
  local LEFT_MS = 1000
  if room == 'free' then return false end
  local since = redis.pcall('HGET', P .. 'render:' .. render, WAITING[stage] .. '_ms')
  if not is_number(since) or now - tonumber(since) > LEFT_MS then return false end
  local size = size_of(lane_of[render])
  return is_other_open(stage, LOWEST, worker, revision, size, now)
    or (room == 'ahead' and is_other_open(stage, class, worker, revision, size, now))
end

-- Returns the first render in the fair order. A lower class goes first if its credit covers its next render. A class
-- that has no render for this worker to claim loses its credit with workers of these sizes.
local function first_in_turn()
  for _, class in ipairs(BY_RANK) do admit_unpinned(class) end
  for rank = CLASS[least], 1, -1 do
    local class = BY_RANK[rank + 1]
    local name = credit_name(stage, class, revision, sizes)
    local credit = credit_of(name)
    local first = credit > 0 and first_in_class(class)
    if first and cost_of(first) <= credit then return not is_left_to_others(class, first) and first or nil end
    if credit > 0 and not first then redis.call('HDEL', P .. 'credit', name) end
  end
  for rank = 0, CLASS[least] do
    local class = BY_RANK[rank + 1]
    local first = first_in_class(class)
    if first then return not is_left_to_others(class, first) and first or nil end
  end
end

-- Returns the render to lease or nil, whether the fair order chose it, and a function that stores the decisions about
-- turns. Most often there are neither suspects nor turns.
local function choose()
  local group = group_held(worker)
  local are_none = is_usual or redis.call('EXISTS', P .. 'quarantine:' .. stage, P .. 'turn:' .. stage) == 0
  if are_none and not group then return first_in_turn(), true, function() end end
  if room ~= 'free' then
    -- A worker that runs suspects, or drains for them, claims nothing beyond.
    local may_claim = not group and redis.call('HEXISTS', P .. 'turn:' .. stage, worker) == 0
    return may_claim and first_in_turn() or nil, true, function() end
  end
  if group then return next_suspect(stage, revision, sizes, group), false, function() end end
  local turns, over = turns_of(stage, worker, now)
  local taken = {}
  for owner in pairs(turns) do taken[group_held(owner) or ''] = true end
  local best, suspect = first_in_turn(), next_suspect(stage, revision, sizes, nil, taken)
  local has_ended = #over > 0
  local ended_ms = has_ended and now or tonumber(redis.call('GET', P .. 'turn_ended:' .. stage) or 0)
  local decision, place = 'other', nil
  if suspect then
    decision, place = decide_turn(stage, worker, revision, sizes, turns, group == nil, best ~= nil, ended_ms, now)
  end

  local function write_turns()
    if place then table.insert(over, place) end
    if #over > 0 then redis.call('HDEL', P .. 'turn:' .. stage, unpack(over)) end
    if decision ~= 'other' then redis.call('HSET', P .. 'turn:' .. stage, worker, decision == 'suspect' and 1 or 0) end
    if has_ended then redis.call('SET', P .. 'turn_ended:' .. stage, now) end
  end
  return (decision == 'suspect' and suspect) or (decision == 'other' and best) or nil, decision == 'other', write_turns
end

local function is_limit(value)
  return value == '' or is_number(value)
end

local function is_url(value)
  return string.find(value, '^[^/]*//') ~= nil
end

-- The fields of the records that a claim and its move read, each with its check.
local waited, ran, attempts = WAITING[stage] .. '_ms', RUNNING[stage] .. '_ms', stage .. '_attempts'
local maybe_text, maybe_number = optional(is_text), optional(is_number)
local RENDER = { 'job', is_text, 'state', is_text, 'fence', is_whole, attempts, optional(is_whole), waited, maybe_number,
  ran, maybe_number, 'lost_ms', maybe_number, 'revived_ms', maybe_number, 'lost_worker', maybe_text,
  'started_ms', maybe_number, 'group', maybe_text, 'index', maybe_text, 'seed', maybe_text, 'prior', maybe_text,
  'prior_engine', maybe_text, 'ar_device_ms', maybe_text, 'handover', maybe_text, 'handover_facts', maybe_text }
local JOB = { 'revision', is_text, 'tenant', is_text, 'lane', is_text, 'rank', is_number, 'status', is_text,
  'n', is_render_count, 'left', is_whole, 'size', maybe_text, 'ar_cost', is_whole, 'dit_cost', is_whole, 'start_timeout_ms', is_limit,
  'execution_timeout_ms', is_limit, 'deadline_ms', is_limit, 'webhook_url', optional(is_url),
  'webhook_events', maybe_text, 'batch', maybe_text, 'spec', maybe_text, 'revised_prompt', maybe_text,
  'origin', maybe_text }

-- Returns a description of the fault if the records of a render and its job do not fit together, else nil.
local function fault_of(render, found, job)
  local lane = lane_of[render]
  if found.state ~= WAITING[stage] then return 'it is in state ' .. found.state end
  if lane and lane ~= lane_name(stage, job.lane, found.started_ms) then return 'its job is in lane ' .. job.lane end
  if job.webhook_url and not job.webhook_events then return 'its job has no webhook_events' end
  return fault_of_events(found.job)
end

-- Returns the records of a render and of its job, or nil, nil and the reason why it can't be leased.
local function records_of(render)
  local found, why = read_record(P .. 'render:' .. render, RENDER)
  if not found then return nil, nil, why end
  local job
  job, why = read_record(P .. 'job:' .. found.job, JOB)
  why = why or fault_of(render, found, job)
  if why then return nil, nil, why end
  return found, job
end

-- Binds a job to the model revision of its first claim. If the job was accepted for another lane, its renders change
-- lanes, and `known.lane` changes. Returns the fields to write: names and values in turn.
local function pin(job, known)
  local lane = string.match(known.lane, '^[^|]*|[^|]*|') .. revision .. suffix_of(size_of(known.lane))
  if lane ~= known.lane then move_to_lane(job, known, lane) end
  return { 'revision', revision, 'lane', lane }
end

-- Moves the waiting renders of a job to the lane of their size, if an earlier release put them into the ordinary one.
-- Returns the number of moved renders, or nil if the lane is the right one.
local function put_right(job, known)
  if known.size then return nil end
  local lane, size = lane_of_size(known)
  if lane == known.lane then return nil end
  redis.call('HSET', P .. 'job:' .. job, 'lane', lane, 'size', size)
  return move_to_lane(job, known, lane)
end

-- Returns the same as `choose`, and the records of the render and of its job. Sets aside renders with broken records,
-- and puts renders in a wrong lane into the right one.
local function choose_readable()
  local num_left = MOST_ASIDE
  while num_left > 0 do
    local render, is_in_turn, write_turns = choose()
    if not render then return nil, is_in_turn, write_turns end
    local found, job, why = records_of(render)
    local num_moved = found and put_right(found.job, job)
    if found and not num_moved then return render, is_in_turn, write_turns, found, job end
    if not found then put_render_aside(render, stage, lane_of[render], why) end
    num_left = num_left - math.max(1, num_moved or 0)
  end
  return nil, false, function() end
end

-- Returns whether the latents still exist. Latents that upkeep may already delete are not offered.
local function is_kept(latents)
  local kept_until = latents and redis.call('ZSCORE', P .. 'handovers', latents)
  return kept_until and tonumber(kept_until) > now
end

redis.call('ZADD', P .. 'asking:' .. stage, now + tonumber(ttl), worker)
if is_paused and (is_paused('stage', stage) or is_paused('revision', revision) or is_paused('worker', worker)) then
  close_places(stage, worker) -- no hint wakes the worker while it may claim nothing
  return {}
end
local best, is_in_turn, write_turns, past, known = choose_readable()
write_turns()
if not best then
  if room ~= 'ahead' then open_places(stage, worker, least, now + tonumber(ttl)) end
  return {}
end
close_places(stage, worker)
local job, cost, found, more_of_job = past.job, tonumber(known[stage .. '_cost']), found_in[best], {}
if known.revision == '' then
  local lane = known.lane
  more_of_job = pin(job, known)
  if known.lane ~= lane then found = nil end -- the tenant may have joined the pool again
end
local pool, tenant = pool_of(stage, known.lane)
if found then
  charge_tenant(found.pool, tenant, cost, is_in_turn, found.member, found.tag)
else
  charge_tenant(pool, tenant, cost, is_in_turn)
end
if is_in_turn then
  credit_lower_classes(stage, string.match(known.lane, '^[^|]*'), revision, cost, tonumber(floor), sizes)
end
local key, fence, attempt = P .. 'render:' .. best, tonumber(past.fence) + 1, tonumber(past[attempts] or 0) + 1
local has_latents = is_kept(past.handover)
local fields = { 'fence', fence, 'holder', holder, 'worker', worker, 'in_step', 1, attempts, attempt }
local function add_field(name, value)
  fields[#fields + 1], fields[#fields + 2] = name, value
end
if not past.started_ms then add_field('started_ms', now) end
if stage == 'dit' and not has_latents then add_field('device_ms', 0) end
give_device_time(stage, worker, now)
begin(best, stage, past, known, now, fields, more_of_job)
if past.lost_worker then redis.call('HDEL', key, 'lost_worker', 'lost_ms') end
local has_limits = known.start_timeout_ms .. known.execution_timeout_ms .. known.deadline_ms ~= ''
if has_limits and not past.started_ms then set_deadline(best, known.execution_timeout_ms, known.deadline_ms, now) end
redis.call('SADD', P .. 'held:' .. worker, best)
redis.call('HSET', P .. 'claimed', stage, now)
redis.call('ZADD', P .. 'leases', now + tonumber(ttl), best)
-- Announces the worker, so that a death before its first heartbeat is recognized as a death.
redis.call('ZADD', P .. 'workers:' .. stage, 'NX', now + tonumber(ttl), worker)

for i = 11, #ARGV, 3 do send_hints(ARGV[i], ARGV[i + 1], ARGV[i + 2], holder, 1, now) end

local claimed = { best, fence, job, past.index, past.seed, known.spec, known.revised_prompt or '', past.prior or '',
  known.origin or '', attempt, now - math.max(tonumber(past[waited] or now), tonumber(past.revived_ms or 0)),
  has_latents and past.handover or '', has_latents and past.handover_facts or '', past.prior_engine or '',
  past.ar_device_ms or '' }
if past[ran] and past.lost_worker and past.lost_ms then
  for _, value in ipairs({ past.lost_worker, past.lost_ms - past[ran], now - past.lost_ms }) do
    table.insert(claimed, value)
  end
end
return claimed
