-- How fast a stage is: of the renders that finished it lately, their milliseconds in a slot and their cost, each of less
-- weight by a twentieth with every one that follows. Seconds per cost are the one sum over the other.

local DONE = { ar = 'prior_ready', dit = 'succeeded' }
local KEPT = 0.95

local function note_pace(stage, render_key, now)
  local known = redis.call('HMGET', render_key, 'job', RUNNING[stage] .. '_ms')
  local cost = redis.call('HGET', P .. 'job:' .. known[1], stage .. '_cost')
  if not cost then return end
  local key = P .. 'pace:' .. stage
  local sums = redis.call('HMGET', key, 'ms', 'cost', 'n')
  redis.call('HSET', key, 'ms', KEPT * tonumber(sums[1] or 0) + (now - tonumber(known[2])),
    'cost', KEPT * tonumber(sums[2] or 0) + tonumber(cost), 'n', KEPT * tonumber(sums[3] or 0) + 1)
end

-- What a stage can do for one model revision ('' for any): live workers, their slots, and what they hold now.
local function strength(stage, revision, now)
  local found = { workers = 0, slots = 0, running = 0 }
  for _, worker in ipairs(redis.call('ZRANGEBYSCORE', P .. 'workers:' .. stage, '(' .. now, '+inf')) do
    if revision == '' or redis.call('HGET', P .. 'serves:' .. stage, worker) == revision then
      found.workers = found.workers + 1
      found.slots = found.slots + tonumber(redis.call('HGET', P .. 'slots:' .. stage, worker) or 0)
      found.running = found.running + redis.call('SCARD', P .. 'held:' .. worker)
    end
  end
  local sums = redis.call('HMGET', P .. 'pace:' .. stage, 'ms', 'cost', 'n')
  -- As they are stored: JSON would round them.
  found.ms, found.cost, found.n = sums[1] or '0', sums[2] or '0', sums[3] or '0'
  return found
end
