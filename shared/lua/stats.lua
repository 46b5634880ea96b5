-- What each stage has to do and does it with. It costs a look at every lane and every live worker, at no render.
-- Returns JSON: ar and dit, each its strength, waiting (renders), waiting_cost, coming_cost (what waits for an earlier
-- stage), and unserved (model revision -> renders that wait though no live worker serves it).
local now = now_ms()

local function total_of(total)
  local sum = 0
  for _, cost in ipairs(redis.call('HVALS', P .. 'cost:' .. total)) do sum = sum + tonumber(cost) end
  return sum
end

local function unserved_of(stage)
  local served, unserved, any = {}, {}, false
  for _, worker in ipairs(redis.call('ZRANGEBYSCORE', P .. 'workers:' .. stage, '(' .. now, '+inf')) do
    local revision = redis.call('HGET', P .. 'serves:' .. stage, worker)
    if revision then served[revision], any = true, true end
  end
  for _, lane in ipairs(redis.call('SMEMBERS', P .. 'lanes:' .. stage)) do
    local pinned = string.match(lane, '^[^|]*|[^|]*|([^|]*)')
    local num = redis.call('ZCARD', P .. 'waiting:' .. stage .. ':' .. lane)
    local is_served = served[pinned] or (pinned == '' and any)
    if num > 0 and not is_served then unserved[pinned] = (unserved[pinned] or 0) + num end
  end
  return unserved
end

local found = {}
for stage in pairs(RUNNING) do
  found[stage] = strength(stage, '', now)
  found[stage].waiting = num_waiting(stage)
  found[stage].waiting_cost = total_of(stage)
  found[stage].coming_cost = stage == 'dit' and total_of('dit_later') or 0
  found[stage].unserved = unserved_of(stage)
end
return cjson.encode(found)
