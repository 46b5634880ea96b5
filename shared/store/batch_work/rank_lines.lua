-- Gives the jobs of a batch's lines the rank that the batch's place says now, some at a time.
-- ARGV: batch, holder, status of the jobs (queued or running), what their ids begin with, the last job of the call before or '',
-- most jobs
-- Returns {1, last job}, with '' after the last one; or {0} when the lease was lost.
-- needs: keys, batch, batch_order, lanes, stages
local batch, holder, status, prefix, after, most = unpack(ARGV)
if not is_holder(batch, holder) then return { 0 } end
local tenant = redis.call('HGET', P .. 'batch:' .. batch, 'tenant')
local first = after == '' and '[' .. prefix or '(' .. after
local jobs = redis.call('ZRANGEBYLEX', P .. 'jobs:' .. tenant .. ':' .. status, first, '[' .. prefix .. '\255', 'LIMIT', 0, most)

local function rank_render(render, lane, rank)
  local known = redis.call('HMGET', P .. 'render:' .. render, 'state', 'started_ms')
  local stage = WAITS[known[1]]
  if not stage then return end
  redis.call('ZADD', P .. 'waiting:' .. stage .. ':' .. lane_in(stage, lane, known[2]), 'XX', rank, render)
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
