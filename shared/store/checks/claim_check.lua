-- Leases one check that is due: of a job's prompt, of a render's picture, or of the text in a picture. Each class is ordered by the time at
-- which its checks are due, and a check of a lower class goes first once it has waited HANDICAP_MS longer. An entry whose
-- records can't be read is set aside (taken out of the queue).
-- ARGV: holder, lease (ms), `checks` for content checks or `texts` for text checks.
-- Returns {entry, number of the attempt from 1, job, spec, revised prompt or '', origin or '', index of the render or '',
-- picture (JSON) or '', seed or '', usage or '', the earlier drawings (JSON) or ''}. The entry is a job, or a render whose picture is to be checked. Returns an empty list when no
-- check is due.

-- needs: classes, keys, clock, aside, checks, duties
local HANDICAP_MS = 300000

local function is_checking(value)
  return value == 'checking'
end

local JOB = { 'lane', is_text, 'n', is_render_count, 'spec', is_text, 'revised_prompt', optional(is_text),
  'origin', optional(is_text), 'check', optional(is_text), 'check_attempts', optional(is_whole) }
local RENDER = { 'job', is_text, 'state', is_checking, 'index', is_whole, 'unchecked', is_text,
  'seed', is_text, 'unchecked_usage', optional(is_text), 'text', optional(is_text),
  'check_attempts', optional(is_whole) }
local kind = ARGV[3]
local now = now_ms()

local function is_picture(entry)
  return string.find(entry, ':', 1, true) ~= nil
end

-- Returns the id and the record of an entry's job, and the record of its render if it is a picture. Returns nil, nil,
-- nil and the reason if they can't be read.
local function records_of(entry, class)
  local id, render, why = entry, nil, nil
  if is_picture(entry) then
    render, why = read_record(P .. 'render:' .. entry, RENDER)
    if not render then return nil, nil, nil, why end
    id = render.job
  end
  local job
  job, why = read_record(P .. 'job:' .. id, JOB)
  if not job then return nil, nil, nil, why end
  if not render and job.check ~= 'pending' then return nil, nil, nil, 'its check is not pending' end
  if string.match(job.lane, '^[^|]*') ~= class then return nil, nil, nil, 'its lane is ' .. job.lane end
  why = fault_of_events(id)
  if why then return nil, nil, nil, why end
  return id, job, render
end

-- Returns the first due check of a class with readable records, or nil.
local function first_of(class)
  local list = kind .. ':' .. class
  for _ = 1, MOST_ASIDE do
    local entry, due = unpack(redis.call('ZRANGEBYSCORE', P .. list, '-inf', now, 'WITHSCORES', 'LIMIT', 0, 1))
    if not entry then return nil end
    local id, job, render, why = records_of(entry, class)
    if id then
      return { entry = entry, rank = tonumber(due) + CLASS[class] * HANDICAP_MS, id = id, job = job, render = render }
    end
    set_aside(list, entry, 'checks', why)
  end
end

local best
for class in pairs(CLASS) do
  local found = first_of(class)
  if found and (not best or found.rank < best.rank) then best = found end
end
if not best then return {} end
local key = P .. (best.render and 'render:' or 'job:') .. best.entry
redis.call('ZADD', (kind == 'texts' and texts_of or checks_of)(best.job.lane), now + tonumber(ARGV[2]), best.entry)
redis.call('HSET', key, 'check_holder', ARGV[1])
add_duty(ARGV[1], 'c|' .. best.entry)
local attempt = redis.call('HINCRBY', key, 'check_attempts', 1)
return { best.entry, attempt, best.id, best.job.spec, best.job.revised_prompt or '', best.job.origin or '',
  best.render and best.render.index or '', best.render and best.render.unchecked or '',
  best.render and best.render.seed or '', best.render and best.render.unchecked_usage or '',
  best.render and best.render.text or '' }
