-- Functions that write the event stream of a job, from which clients follow the job.

-- needs: keys

-- Appends an event to the job's stream and publishes a message. Readers read the event from the stream; the message
-- only wakes them (shared/store/jobs/watch.py).
local function append_event(job, type, data)
  local key = P .. 'events:' .. job
  redis.call('XADD', key, 'MAXLEN', '~', 1000, '*', 'type', type, 'data', cjson.encode(data))
  redis.call('PUBLISH', key, type)
end

-- Deletes the progress events of a job that has ended. They are most of its stream, which is stored for days, and
-- progress is no longer of interest.
local function trim_events(job)
  local AT_ONCE = 100
  local key, steps = P .. 'events:' .. job, {}
  for _, entry in ipairs(redis.call('XRANGE', key, '-', '+')) do
    if entry[2][2] == 'render.progress' then table.insert(steps, entry[1]) end
  end
  for i = 1, #steps, AT_ONCE do redis.call('XDEL', key, unpack(steps, i, math.min(#steps, i + AT_ONCE - 1))) end
end
