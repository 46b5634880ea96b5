-- What stands before a waiting job: its renders in the least advanced stage, against all that has a lower rank.
-- What waits is never scanned: each lane is counted by rank, and its cost is taken in proportion.
-- ARGV: job
-- Returns JSON, or '' when none of its renders waits: stage, position (renders before its first), ar_ahead, dit_ahead
-- and dit_later (cost before its last render), and the strength of both stages.
local job = ARGV[1]
local now = now_ms()
local known = redis.call('HMGET', P .. 'job:' .. job, 'n', 'rank', 'revision')
local rank, revision = known[2], known[3]
if not rank then return '' end

local waiting = { ar = {}, dit = {} }
for index = 0, tonumber(known[1]) - 1 do
  local render = job .. ':' .. string.format('%04d', index)
  local stage = WAITS[redis.call('HGET', P .. 'render:' .. render, 'state')]
  if stage then table.insert(waiting[stage], render) end
end
local stage = #waiting.ar > 0 and 'ar' or 'dit'
local own = waiting[stage]
if #own == 0 then return '' end

-- Members of equal score stand in the order of their names.
local function num_before(key, render)
  local low, high = redis.call('ZCOUNT', key, '-inf', '(' .. rank), redis.call('ZCOUNT', key, '-inf', rank)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if redis.call('ZRANGE', key, middle, middle)[1] < render then low = middle + 1 else high = middle end
  end
  return low
end

-- Renders of a stage before this one that the same workers take, and their totals of cost.
local function ahead(of, render, ...)
  local count, sums = 0, { 0, 0 }
  for _, lane in ipairs(redis.call('SMEMBERS', P .. 'lanes:' .. of)) do
    local pinned = string.match(lane, '^[^|]*|[^|]*|([^|]*)')
    local key = P .. 'waiting:' .. of .. ':' .. lane
    local size = redis.call('ZCARD', key)
    if size > 0 and (pinned == revision or pinned == '' or revision == '') then
      local before = num_before(key, render)
      count = count + before
      for i, total in ipairs({ ... }) do
        sums[i] = sums[i] + before / size * tonumber(redis.call('HGET', P .. 'cost:' .. total, lane) or 0)
      end
    end
  end
  return count, sums[1], sums[2]
end

local last = own[#own]
local found = { stage = stage, ar_ahead = 0, dit_later = 0,
  ar = strength('ar', revision, now), dit = strength('dit', revision, now) }
local _
found.position = ahead(stage, own[1])
if stage == 'ar' then _, found.ar_ahead, found.dit_later = ahead('ar', last, 'ar', 'dit_later') end
_, found.dit_ahead = ahead('dit', last, 'dit')
return cjson.encode(found)
