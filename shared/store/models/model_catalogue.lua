-- Returns JSON with what the store knows of models:
--   announced  names that workers announced within the last hour
--   revisions  list of {revision, model ('' if unknown), num_workers, is_paused}: the revisions of live AR workers, with
--              the number of those that take work
--   newest     model -> revision of the newest worker for which no canary share is set
--   rules      model -> JSON

-- needs: keys, clock, workers
local KEPT_MS = 3600000 -- a worker that restarts, or a machine that is replaced, takes less
local now = now_ms()
local models, paused, revisions, place_of = all_of(P .. 'models'), all_of(P .. 'paused'), {}, {}
for _, worker in ipairs(live_workers('ar', now)) do
  local revision = worker.revision
  if revision then
    if not place_of[revision] then
      local is_paused = paused['revision:' .. revision] ~= nil
      local row = { revision = revision, model = models['model:' .. revision] or '', num_workers = 0,
        is_paused = is_paused }
      table.insert(revisions, row)
      place_of[revision] = row
    end
    local takes_work = worker.slots > 0 and not paused['worker:' .. worker.id]
    place_of[revision].num_workers = place_of[revision].num_workers + (takes_work and 1 or 0)
  end
end

local found, names = { announced = {}, revisions = revisions, newest = {}, rules = {} }, {}
for field, value in pairs(models) do
  local kind, of = string.match(field, '^(%a+):(.*)$')
  if kind == 'model' then names[string.lower(value)] = value end
  if kind == 'newest' or kind == 'rules' then found[kind][of] = value end
end
for name, text in pairs(names) do
  local seen = tonumber(models['seen:' .. name] or 0)
  if now - seen < KEPT_MS then table.insert(found.announced, text) end
end
return cjson.encode(found)
