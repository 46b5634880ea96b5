-- The event stream of a job.
-- needs: keys

-- The message is a hint to look (shared/store/jobs/watch.py); what happened stands in the stream.
local function append_event(job, type, data)
  local key = P .. 'events:' .. job
  redis.call('XADD', key, 'MAXLEN', '~', 1000, '*', 'type', type, 'data', cjson.encode(data))
  redis.call('PUBLISH', key, type)
end

-- Nobody follows the steps of a job that is over, and its stream is kept for days.
local function trim_events(job)
  local FEW = 100
  local key, steps = P .. 'events:' .. job, {}
  if redis.call('XLEN', key) <= FEW then return end
  for _, entry in ipairs(redis.call('XRANGE', key, '-', '+')) do
    if entry[2][2] == 'render.progress' then table.insert(steps, entry[1]) end
  end
  for i = 1, #steps, FEW do redis.call('XDEL', key, unpack(steps, i, math.min(#steps, i + FEW - 1))) end
end
