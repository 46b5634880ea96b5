-- Reads what the estimate of a job's end needs: the job's own renders and lanes as they are now and, on request, the
-- overview of all lanes, pools and workers. shared/schedule/places.py computes the place of the job from both.
-- The script never reads all waiting renders. Only the job's renders in the least advanced stage count.
-- ARGV: job; '1' for the overview, else ''.
-- Returns two texts. The first is '' when all renders of the job are final, otherwise JSON:
--   stage, is_waiting   the least advanced stage of the job's renders; false if workers hold these renders
--   lane                the job's lane: class, tenant, revision and, unless it is ordinary, size class, with `|` between
--   weight              the tenant's weight in the fair share
--   ar, dit             the tenant's standing in each stage, see standing_in
--   pause               what pauses the job (kind, name, JSON of the pause), in its stage or a later one; else absent
--   held                if workers hold the job's renders: what these workers hold (see overview.lua)
-- The second is '' or JSON: overviews of ar and dit (see overview.lua), and weights of tenants.

-- needs: keys, clock, overview, paused, shares, sizes, stages, workers
local job, wants_overview = ARGV[1], ARGV[2] == '1'
local now = now_ms()
local known = redis.call('HMGET', P .. 'job:' .. job, 'n', 'rank', 'lane')
local rank, lane_of_job = known[2], known[3]

-- Returns the least advanced stage of the job's renders, the renders in it, and whether they wait; nil when all are
-- final.
local function least_advanced()
  local found = { queued = {}, prior_running = {}, prior_ready = {}, decode_running = {} }
  for index = 0, tonumber(known[1] or 0) - 1 do
    local render = job .. ':' .. string.format('%04d', index)
    local of_state = found[redis.call('HGET', P .. 'render:' .. render, 'state')]
    if of_state then table.insert(of_state, render) end
  end
  for _, stage in ipairs({ 'ar', 'dit' }) do
    if #found[WAITING[stage]] > 0 then return stage, found[WAITING[stage]], true end
    if #found[RUNNING[stage]] > 0 then return stage, found[RUNNING[stage]], false end
  end
end

-- Returns the number of members of a sorted set before the render, by binary search among equal ranks, which sort by
-- name.
local function num_before(key, render)
  local low, high = redis.call('ZCOUNT', key, '-inf', '(' .. rank), redis.call('ZCOUNT', key, '-inf', rank)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if redis.call('ZRANGE', key, middle, middle)[1] < render then low = middle + 1 else high = middle end
  end
  return low
end

-- Returns the names of the tenant's lanes of the job's class and revision, or without a revision: of all sizes that wait,
-- and of the job's own size.
local function lanes_of_sizes(stage, prefix, revision)
  local found, own = {}, suffix_of(size_of(lane_of_job))
  for _, of in ipairs({ revision, '' }) do
    local base, suffixes = base_of((pool_of(stage, prefix .. of))), { [own] = true, [''] = true }
    for _, pool in ipairs(pools_beside(base)) do suffixes[string.sub(pool, #base + 1)] = true end
    for suffix in pairs(suffixes) do
      table.insert(found, prefix .. of .. suffix)
      table.insert(found, prefix .. of .. suffix .. '|again')
    end
  end
  return found
end

-- Returns the names of the tenant's lanes of the job's class from which the same workers claim. A job that was accepted
-- before any worker announced a model revision may run with any. So its tenant's lanes have to be looked for.
local function lanes_of_tenant(stage)
  local prefix, revision = string.match(lane_of_job, '^([^|]*|[^|]*|)([^|]*)')
  if revision ~= '' then return lanes_of_sizes(stage, prefix, revision) end
  local pattern = string.gsub(prefix, '[%[%]*?\\]', '\\%0') .. '*'
  local found, cursor = {}, '0'
  repeat
    local page = redis.call('SSCAN', P .. 'lanes:' .. stage, cursor, 'MATCH', pattern, 'COUNT', 1000)
    cursor = page[1]
    for _, lane in ipairs(page[2]) do table.insert(found, lane) end
  until cursor == '0'
  return found
end

-- Returns the tenant's standing in a stage: the clock of its pool; its member and its tag there, or '' if it is not in
-- the pool; and its lanes with waiting renders of the job's class: number of renders, cost, later cost, renders before
-- the job's first and before its last render.
local function standing_in(stage, renders)
  local pool, tenant = pool_of(stage, lane_of_job)
  local member = member_of(pool, tenant)
  local tag = member and redis.call('ZSCORE', P .. 'shares:' .. pool, member)
  local found = { clock = redis.call('HGET', P .. 'clocks', base_of(pool)) or '0', member = member or '', tag = tag or '',
    lanes = {} }
  for _, lane in ipairs(lanes_of_tenant(stage)) do
    local key = P .. 'waiting:' .. stage .. ':' .. lane
    local size = redis.call('ZCARD', key)
    if size > 0 then
      local function cost(total) return tonumber(redis.call('HGET', P .. 'cost:' .. total, lane) or 0) end
      table.insert(found.lanes, { size, cost(stage), stage == 'ar' and cost('dit_later') or 0,
        num_before(key, renders[1]), num_before(key, renders[#renders]) })
    end
  end
  return found
end

-- Returns what the live workers of the job's running renders hold. Each worker is a server of its own.
local function held_beside(stage, renders)
  local rows, seen, server = {}, {}, 0
  for _, render in ipairs(renders) do
    local worker = redis.call('HGET', P .. 'render:' .. render, 'worker')
    if worker and not seen[worker] and is_alive(worker, stage, now) then
      add_held(rows, stage, { id = worker, sizes = '*' }, server, now) -- it can render what it holds
      seen[worker], server = true, server + 1
    end
  end
  return rows
end

-- Returns what pauses a job: in the stage for which its renders wait, or in the one after it. Work that runs goes on.
local function pause_of_job(stage, is_waiting)
  local is_paused = pause_check()
  if not is_paused then return nil end
  local kind, name
  if is_waiting then kind, name = pause_of_lane(is_paused, stage, lane_of_job) end
  if not kind and stage == 'ar' then kind, name = pause_of_lane(is_paused, 'dit', lane_of_job) end
  return kind and { kind, name, redis.call('HGET', P .. 'paused', kind .. ':' .. name) }
end

local function text_about_job()
  if not rank then return '' end
  local stage, renders, is_waiting = least_advanced()
  if not stage then return '' end
  local _, tenant = pool_of(stage, lane_of_job)
  return cjson.encode({ stage = stage, is_waiting = is_waiting, lane = lane_of_job,
    weight = redis.call('HGET', P .. 'limits:' .. tenant, 'weight') or '1', ar = standing_in('ar', renders),
    dit = standing_in('dit', renders), pause = pause_of_job(stage, is_waiting), held = is_waiting and {} or held_beside(stage, renders) })
end

local function text_of_overview()
  local weights = {}
  local ar, dit = overview_of('ar', weights, now), overview_of('dit', weights, now)
  return cjson.encode({ ar = ar, dit = dit, weights = weights })
end

return { text_about_job(), wants_overview and text_of_overview() or '' }
