-- Brings ended jobs of an earlier version of the state up to date (see shared/store/core/state_version.py): some at each
-- call, in the order of their ends. A job that can't be brought up to date is left as it is.
-- ARGV: the version to reach, number of jobs for each call.
-- Returns {1 once all are up to date, else 0; number of jobs of this call}.

-- needs: keys, events, settle
local version, most = tonumber(ARGV[1]), tonumber(ARGV[2])
local state, finished = P .. 'state', P .. 'finished'
local known = redis.call('HMGET', state, 'oldest', 'cursor')
if tonumber(known[1] or 1) >= version then return { 1, 0 } end

-- Version 1 had a stream of events and all fields of the schedule, and the log of attempts also by message.
local function update(job)
  local about = redis.call('HMGET', P .. 'job:' .. job, 'status', 'n')
  if not about[1] then return end
  fold_events(job)
  for index = 0, tonumber(about[2]) - 1 do
    local render = job .. ':' .. string.format('%04d', index)
    if redis.call('HGET', P .. 'render:' .. render, 'state') == 'succeeded' then settle_render(render) end
  end
  if about[1] == 'succeeded' then settle_job(job) end
  if redis.call('EXISTS', P .. 'attempts:' .. job) == 0 then return end
  for _, message in ipairs(redis.call('SMEMBERS', P .. 'told:' .. job)) do
    redis.call('DEL', P .. 'attempts:' .. message)
  end
end

local jobs = redis.call('ZRANGEBYSCORE', finished, known[2] or '-inf', '+inf', 'WITHSCORES', 'LIMIT', 0, most)
if #jobs == 2 * most then
  -- More jobs may have ended in the last millisecond of this part. All of them belong to it.
  local last = jobs[#jobs]
  jobs = redis.call('ZRANGEBYSCORE', finished, known[2] or '-inf', last, 'WITHSCORES')
  redis.call('HSET', state, 'cursor', '(' .. last)
else
  redis.call('HSET', state, 'oldest', version)
  redis.call('HDEL', state, 'cursor')
end
for i = 1, #jobs, 2 do
  local is_done, why = pcall(update, jobs[i])
  if not is_done then
    redis.call('HINCRBY', P .. 'fault_counts', 'update', 1)
    redis.log(redis.LOG_WARNING, 'gridpress: ' .. jobs[i] .. ' is not brought up to date: '
      .. tostring(type(why) == 'table' and why.err or why))
  end
end
return { #jobs < 2 * most and 1 or 0, #jobs / 2 }
