-- Returns the live workers of both stages with the renders that they hold.
-- ARGV: the largest number of workers of a stage; the largest number of renders of a worker.
-- Returns JSON: for ar and dit a list of { id, slots, revision, signs (JSON text), sizes (sizes.lua), held (number), renders,
-- drain (JSON text of the drain that an operator began, or false) }. Each render
-- is { render, job, tenant, since (ms, when its stage began), done, total }. For each stage also `num`, all live workers.

-- needs: keys, clock, stages, workers
local most_workers, most_renders, now = tonumber(ARGV[1]), tonumber(ARGV[2]), now_ms()

local function renders_of(stage, worker)
  local found = {}
  for _, render in ipairs(redis.call('SMEMBERS', P .. 'held:' .. worker)) do
    if #found == most_renders then break end
    local known = redis.call('HMGET', P .. 'render:' .. render, 'job', RUNNING[stage] .. '_ms', 'done', 'total')
    local tenant = known[1] and redis.call('HGET', P .. 'job:' .. known[1], 'tenant')
    if tenant then
      table.insert(found, { render = render, job = known[1], tenant = tenant, since = tonumber(known[2] or 0),
        done = tonumber(known[3] or 0), total = tonumber(known[4] or 0) })
    end
  end
  return found
end

local answer = {}
for stage in pairs(RUNNING) do
  local live, rows, signs = live_workers(stage, now), {}, all_of(P .. 'signs:' .. stage)
  for i = 1, math.min(#live, most_workers) do
    local worker = live[i]
    rows[i] = { id = worker.id, slots = worker.slots, revision = worker.revision or '', signs = signs[worker.id] or '[]',
      sizes = worker.sizes,
      drain = redis.call('HGET', P .. 'paused', 'worker:' .. worker.id),
      held = redis.call('SCARD', P .. 'held:' .. worker.id), renders = renders_of(stage, worker.id) }
  end
  answer[stage] = { num = #live, workers = rows }
end
return cjson.encode(answer)
