-- Functions that select what belongs to one model: its lanes, its workers, and the revisions that one more worker of it
-- would serve. The model has one or more names, with small letters. The name '' stands for workers that told no name,
-- and for renders that wait for any revision.

-- needs: keys, announced_model

-- Returns a function that returns whether a revision belongs to the model. It is true for all revisions without names.
local function model_check(names)
  local is_name, known = {}, {}
  for _, name in ipairs(names) do is_name[name] = true end
  return function(revision)
    if #names == 0 then return true end
    if known[revision] == nil then known[revision] = is_name[model_of(revision) or ''] == true end
    return known[revision]
  end
end

-- Returns the entries, lanes or workers, that belong to the model.
local function of_model(is_own, entries)
  local found = {}
  for _, entry in ipairs(entries) do
    if is_own(entry.revision or '') then table.insert(found, entry) end
  end
  return found
end

-- Returns the revisions that one more worker of a stage would serve, as a table. These are the ones of the live workers.
-- While none lives, they are the ones to which new jobs of the model go: of the other stage's workers, of the newest
-- worker of the model, and of the stage's last worker. If none is known, they are those of all lanes.
-- Jobs for a model without any known revision wait for its first worker, so they count always.
local function served_of_model(names, is_own, stage, live, others, lanes)
  local served = live
  if not next(live) then
    served = others
    for _, name in ipairs(names) do
      local newest = redis.call('HGET', P .. 'models', 'newest:' .. name)
      if newest then served[newest] = true end
    end
    local last = redis.call('HGET', P .. 'last_worker:' .. stage, 'revision')
    if last and is_own(last) then served[last] = true end
    if not next(served) then
      for _, lane in ipairs(lanes) do served[lane.revision] = true end
    end
  end
  for _, name in ipairs(names) do served['@' .. name] = true end
  return served
end
