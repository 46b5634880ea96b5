-- Functions that write the event stream of a job, from which clients follow the job.

-- needs: keys, activity

local has_published = {} -- jobs whose readers this script has woken; they read when it has ended

-- Appends an event to the job's stream and publishes a message. Readers read the event from the stream; the message
-- only wakes them (shared/store/jobs/watch.py). `tenant` is the job's tenant; it is read if it is not given.
local function append_event(job, type, data, tenant)
  local key = P .. 'events:' .. job
  redis.call('XADD', key, 'MAXLEN', '~', 1000, '*', 'type', type, 'data', cjson.encode(data))
  if not has_published[job] then redis.call('PUBLISH', key, type) end
  has_published[job] = true
  append_activity(job, type, data, tenant)
end

-- Replaces the event stream of a job that has ended by one string, with a line `<id> <type> <data>` for each event. A
-- stream of a few events takes as much memory as all other records of a job, which are stored for days. Progress is no
-- longer of interest, so its events are left out.
local function fold_events(job)
  local lines = {}
  for _, entry in ipairs(redis.call('XRANGE', P .. 'events:' .. job, '-', '+')) do
    local type, data = entry[2][2], entry[2][4]
    if type ~= 'render.progress' then table.insert(lines, entry[1] .. ' ' .. type .. ' ' .. data) end
  end
  if #lines == 0 then return end
  redis.call('SET', P .. 'past_events:' .. job, table.concat(lines, '\n'))
  redis.call('DEL', P .. 'events:' .. job)
end

-- Restores the event stream of a job that runs again. Its next events get later ids.
local function unfold_events(job)
  local text = redis.call('GET', P .. 'past_events:' .. job) or ''
  for id, type, data in string.gmatch(text, '(%S+) (%S+) ([^\n]*)') do
    redis.call('XADD', P .. 'events:' .. job, id, 'type', type, 'data', data)
  end
  redis.call('DEL', P .. 'past_events:' .. job)
end
