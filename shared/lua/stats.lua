-- What each stage has to do and does it with. It costs a look at every lane and every live worker, at hardly a render.
-- Returns JSON: ar and dit, each its strength, waiting (renders), waiting_cost, coming_cost (what waits for an earlier
-- stage), unserved (model revision -> renders that wait though no live worker serves it), open (see open_work.lua), orphans
-- (renders whose worker is gone and whose lease has not been taken back), last_slots (of the worker that lives or lived
-- last), ahead (renders that wait for the DiT and may hold AR back), is_stalled (see stalls.lua).
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

local function num_orphans(stage)
  local num = 0
  for _, worker in ipairs(redis.call('ZRANGEBYSCORE', P .. 'workers:' .. stage, '-inf', now)) do
    num = num + redis.call('SCARD', P .. 'held:' .. worker)
  end
  return num
end

local function num_made_ahead(served)
  local ahead, flat = 0, redis.call('HGETALL', P .. 'ahead')
  for i = 1, #flat, 2 do
    if not served or served[string.match(flat[i], '|(.*)$')] then ahead = ahead + tonumber(flat[i + 1]) end
  end
  return ahead
end

local found = {}
for stage in pairs(RUNNING) do
  local served = served_by(stage, now)
  found[stage] = strength(stage, '', now)
  found[stage].waiting = num_waiting(stage)
  found[stage].waiting_cost = total_of(stage)
  found[stage].coming_cost = stage == 'dit' and total_of('dit_later') or 0
  found[stage].unserved = unserved_of(stage)
  found[stage].open = open_work(stage, served)
  found[stage].orphans = num_orphans(stage)
  found[stage].last_slots = tonumber(redis.call('HGET', P .. 'last_worker:' .. stage, 'slots') or 0)
  found[stage].ahead = stage == 'ar' and num_made_ahead(served) or 0
  found[stage].is_stalled = redis.call('HGET', P .. 'stall:' .. stage, 'is_stalled') == '1'
end
return cjson.encode(found)
