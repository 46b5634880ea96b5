-- Moves jobs that wait for an AR model revision without live workers to a revision with live workers. This happens, for
-- example, after an upgrade. Only a job that AR has not begun may change its revision. A job with a token grid keeps
-- its revision. A job stays with its model. It goes to the revision of a canary share only if no other one is served.
-- Each call reads only some lanes:
--   gridpress:rerouting  string  cursor of the scan over all lanes
-- ARGV: about how many lanes to read, maximum number of renders to move.
-- Returns the number of moved renders.

-- needs: keys, clock, announced_model, aside, lane_aside, rerouting, stages
local most_lanes, most = ARGV[1], tonumber(ARGV[2])
local now = now_ms()

-- The revisions that live AR workers serve which no operator drains, and one of them for each model: the revision of the
-- newest worker if it has live workers. Work of an unknown model goes to `target`, the revision of the newest worker.
local served, target_of, target = {}, {}, nil
for _, worker in ipairs(redis.call('ZRANGEBYSCORE', P .. 'workers:ar', '(' .. now, '+inf')) do
  local revision = redis.call('HGET', P .. 'serves:ar', worker)
  local is_drained = redis.call('HEXISTS', P .. 'paused', 'worker:' .. worker) == 1
  if revision and not is_drained then served[revision], target = true, revision end
end
local newest = redis.call('GET', P .. 'revision')
if newest and served[newest] then target = newest end
if not target then return 0 end
for revision in pairs(served) do
  local model = model_of(revision)
  local of = model and redis.call('HMGET', P .. 'models', 'newest:' .. model, 'canary:' .. model)
  if of and (of[1] == revision or not target_of[model] or target_of[model] == of[2]) then target_of[model] = revision end
end

local function route_of(lane)
  return string.match(lane, '^[^|]*|[^|]*|([^|]*)')
end

-- Returns the revision to which jobs that wait for the revision `route` move; nil if no worker serves their model.
local function target_for(route)
  local model = model_of(route)
  if model then return target_of[model] end
  return target
end

local function is_lane(value)
  return is_text(value) and route_of(value) ~= nil
end

-- Returns whether a render of the job has a token grid, is running, is drawn again or has succeeded.
local function is_bound(job, n)
  for index = 0, n - 1 do
    local render = redis.pcall('HMGET', P .. 'render:' .. job .. ':' .. string.format('%04d', index), 'state', 'prior',
      'first_seed')
    if render[2] or render[3] or render[1] == 'succeeded' or RUNS[render[1]] then return true end
  end
  return false
end

local RENDER = { 'job', is_text }
local JOB = { 'lane', is_lane, 'rank', is_number, 'n', is_render_count, 'revision', is_text,
  'ar_cost', optional(is_whole), 'dit_cost', optional(is_whole) }

local num_moved = 0

-- Moves the job of a render if necessary. Sets the render aside if its records are broken, since it would block the
-- renders behind it.
local function look_at(render, lane)
  local job, known
  local found, why = read_record(P .. 'render:' .. render, RENDER)
  if found then
    job = found.job
    known, why = read_record(P .. 'job:' .. job, JOB)
  end
  if not known then return put_render_aside(render, 'ar', lane, why) end
  local route = route_of(known.lane)
  local to = route ~= '' and not served[route] and target_for(route)
  if to and not is_bound(job, tonumber(known.n)) then num_moved = num_moved + reroute_job(job, known, to) end
end

local function look_at_all(renders, lane)
  for _, render in ipairs(renders) do
    if num_moved < most then look_at(render, lane) end
  end
end

-- Renders of bound jobs stay at the head of their lane, so the script reads more renders than it moves.
local found = redis.call('SSCAN', P .. 'lanes:ar', redis.call('GET', P .. 'rerouting') or '0', 'COUNT', most_lanes)
if found[1] ~= '0' then redis.call('SET', P .. 'rerouting', found[1]) else redis.call('DEL', P .. 'rerouting') end
for _, lane in ipairs(found[2]) do
  local route = route_of(lane)
  if not served[route] and route ~= '' and num_moved < most and target_for(route) then
    look_at_all(redis.call('ZRANGE', P .. 'waiting:ar:' .. lane, 0, 4 * most), lane)
  end
end
if num_moved < most then look_at_all(redis.call('ZRANGE', P .. 'quarantine:ar', 0, most)) end
return num_moved
