-- Leases the best waiting render of a stage, or finds nothing: lowest rank over all lanes of the claimer's model
-- revision (rank is the time of creation, so order is by age; siblings of a job tie and stay together).
-- ARGV: stage, holder, lease ttl (ms), revision, lowest prior_ready limit
-- Returns {render, fence, job, index, seed, spec, prior or ''}, or an empty list.
local stage, holder, ttl, revision, limit_min = unpack(ARGV)
local now = now_ms()

-- AR runs ahead only so far, so that it never floods the DiT queue.
if stage == 'ar' then
  local limit = math.max(tonumber(limit_min), 4 * live_slots('dit', now))
  if num_waiting('dit') >= limit then return {} end
end

local best, best_rank
for _, lane in ipairs(redis.call('SMEMBERS', P .. 'lanes:' .. stage)) do
  local pinned = string.match(lane, '|([^|]*)$')
  if pinned == '' or pinned == revision then
    local head = redis.call('ZRANGE', P .. 'waiting:' .. stage .. ':' .. lane, 0, 0, 'WITHSCORES')
    if #head == 0 then
      redis.call('SREM', P .. 'lanes:' .. stage, lane)
    elseif not best or tonumber(head[2]) < best_rank or (tonumber(head[2]) == best_rank and head[1] < best) then
      best, best_rank = head[1], tonumber(head[2])
    end
  end
end
if not best then return {} end

-- A job accepted before any worker announced a model is pinned by its first claim: job and siblings change lanes.
local function pin(job)
  local job_key = P .. 'job:' .. job
  local old = redis.call('HMGET', job_key, 'lane', 'rank', 'n')
  local lane = old[1] .. revision
  redis.call('HSET', job_key, 'revision', revision, 'lane', lane)
  for index = 0, tonumber(old[3]) - 1 do
    local sibling = job .. ':' .. string.format('%04d', index)
    if redis.call('ZREM', P .. 'waiting:' .. stage .. ':' .. old[1], sibling) == 1 then
      enqueue(sibling, stage, lane, old[2])
    end
  end
end

local key = P .. 'render:' .. best
local job = redis.call('HGET', key, 'job')
if redis.call('HGET', P .. 'job:' .. job, 'revision') == '' then pin(job) end
local fence = redis.call('HINCRBY', key, 'fence', 1)
redis.call('HSET', key, 'holder', holder)
redis.call('HINCRBY', key, stage .. '_attempts', 1)
move(best, WAITING[stage], RUNNING[stage], now)
redis.call('ZADD', P .. 'leases', now + tonumber(ttl), best)

local render = redis.call('HMGET', key, 'index', 'seed', 'prior')
return { best, fence, job, render[1], render[2], redis.call('HGET', P .. 'job:' .. job, 'spec'), render[3] or '' }
