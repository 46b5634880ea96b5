-- Gives some jobs of a batch a new rank (number by which waiting renders are ordered). This is necessary after the
-- batch was moved in the order of its tenant's batches. A worker repeats the call until no jobs are left.
-- Arguments (ARGV):
--   1, 2: batch, holder of its lease
--   3: status of the jobs to change (queued or running)
--   4: prefix of the ids of the batch's jobs
--   5: the last job of the previous call, or ''
--   6: maximum number of jobs
-- Returns {1, last job}; {1, ''} when no jobs are left; {0} when the lease was lost.

-- needs: keys, batch, batch_order, lanes, stages
local batch, holder, status, prefix, after, most = unpack(ARGV)
if not is_holder(batch, holder) then return { 0 } end
local tenant = redis.call('HGET', P .. 'batch:' .. batch, 'tenant')
local first = after == '' and '[' .. prefix or '(' .. after
local jobs = redis.call('ZRANGEBYLEX', P .. 'jobs:' .. tenant .. ':' .. status, first,
  '[' .. prefix .. '\255', 'LIMIT', 0, most)

-- Changes the rank of a render in its lane and in the quarantine, if it waits there.
local function rank_render(render, lane, rank)
  local known = redis.call('HMGET', P .. 'render:' .. render, 'state', 'started_ms')
  local stage = WAITS[known[1]]
  if not stage then return end
  redis.call('ZADD', P .. 'waiting:' .. stage .. ':' .. lane_name(stage, lane, known[2]), 'XX', rank, render)
  redis.call('ZADD', P .. 'quarantine:' .. stage, 'XX', rank, render)
end

for _, job in ipairs(jobs) do
  local key = P .. 'job:' .. job
  local known = redis.call('HMGET', key, 'lane', 'n', 'age_rank', 'rank')
  local age_rank = known[3] or known[4]
  local rank = rank_of_line(batch, tonumber(age_rank))
  redis.call('HSET', key, 'age_rank', age_rank, 'rank', rank)
  for index = 0, tonumber(known[2]) - 1 do
    rank_render(job .. ':' .. string.format('%04d', index), known[1], rank)
  end
end
return { 1, #jobs == tonumber(most) and jobs[#jobs] or '' }
