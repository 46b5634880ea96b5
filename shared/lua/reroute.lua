-- Moves jobs that wait for an AR revision without live workers to a revision that has some, as after an upgrade. A job
-- without a token grid is bound to no revision; one with a grid keeps its own.
-- Each call looks at some lanes:
--   gridpress:rerouting  string  cursor of the scan over all lanes
-- ARGV: about how many lanes to look at; how many renders to move at most
-- Returns the number of renders that were moved.
local most_lanes, most = ARGV[1], tonumber(ARGV[2])
local now = now_ms()

-- The revisions that live AR workers serve, and the one to move to: the newest worker's, if that lives.
local served, target = {}, nil
for _, worker in ipairs(redis.call('ZRANGEBYSCORE', P .. 'workers:ar', '(' .. now, '+inf')) do
  local revision = redis.call('HGET', P .. 'serves:ar', worker)
  if revision then served[revision], target = true, revision end
end
local newest = redis.call('GET', P .. 'revision')
if newest and served[newest] then target = newest end
if not target then return 0 end

local function route_of(lane)
  return string.match(lane, '^[^|]*|[^|]*|(.*)$')
end

local function is_bound(job, n)
  for index = 0, n - 1 do
    local render = redis.call('HMGET', P .. 'render:' .. job .. ':' .. string.format('%04d', index), 'state', 'prior')
    if render[2] or render[1] == 'succeeded' or RUNS[render[1]] then return true end
  end
  return false
end

-- Returns how many of its renders were moved.
local function reroute(job)
  local key, num = P .. 'job:' .. job, 0
  local known = redis.call('HMGET', key, 'lane', 'rank', 'n', 'revision')
  if is_bound(job, tonumber(known[3])) then return 0 end
  local lane = string.match(known[1], '^[^|]*|[^|]*|') .. target
  redis.call('HSET', key, 'lane', lane)
  if known[4] ~= '' then redis.call('HSET', key, 'revision', target) end
  for index = 0, tonumber(known[3]) - 1 do
    local render = job .. ':' .. string.format('%04d', index)
    if dequeue(render, 'ar', known[1], true, job) then
      enqueue(render, 'ar', lane, known[2])
      num = num + 1
    end
  end
  if redis.call('EXISTS', P .. 'waiting:ar:' .. known[1]) == 0 then leave_pool(pool_of('ar', known[1])) end
  return num
end

local num_moved = 0
local function reroute_all(renders)
  for _, render in ipairs(renders) do
    local job = redis.call('HGET', P .. 'render:' .. render, 'job')
    local route = job and route_of(redis.call('HGET', P .. 'job:' .. job, 'lane'))
    if route and route ~= '' and not served[route] and num_moved < most then num_moved = num_moved + reroute(job) end
  end
end

-- Those that are bound stay at the head of their lane, so more is looked at than is moved.
local found = redis.call('SSCAN', P .. 'lanes:ar', redis.call('GET', P .. 'rerouting') or '0', 'COUNT', most_lanes)
if found[1] ~= '0' then redis.call('SET', P .. 'rerouting', found[1]) else redis.call('DEL', P .. 'rerouting') end
for _, lane in ipairs(found[2]) do
  if not served[route_of(lane)] and route_of(lane) ~= '' and num_moved < most then
    reroute_all(redis.call('ZRANGE', P .. 'waiting:ar:' .. lane, 0, 4 * most))
  end
end
if num_moved < most then reroute_all(redis.call('ZRANGE', P .. 'quarantine:ar', 0, most)) end
return num_moved
