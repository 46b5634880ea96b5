-- Functions that read and write what the store knows of models.
--   gridpress:models  hash  model:<revision> -> name of its model, as a worker announced it. For each model, whose name
--                           here has small letters: newest:<model> -> revision of the newest worker, for which no canary
--                           share is set; seen:<model> -> time of the last announcement (ms); rules:<model> -> JSON
--                           (see shared/models/rules.py); canary:<model> -> revision of its canary share

-- needs: keys

-- Records that a worker serves a revision of a model. `is_offered` says whether new jobs may go to this revision.
local function announce_model(model, revision, is_offered, now)
  local name = string.lower(model)
  local known = redis.call('HMGET', P .. 'models', 'model:' .. revision, 'newest:' .. name, 'canary:' .. name)
  local fields = { 'seen:' .. name, now }
  if known[1] ~= model then
    table.insert(fields, 'model:' .. revision)
    table.insert(fields, model)
  end
  if is_offered and revision ~= known[3] and revision ~= known[2] then
    table.insert(fields, 'newest:' .. name)
    table.insert(fields, revision)
  end
  redis.call('HSET', P .. 'models', unpack(fields))
end

-- Returns the name, in small letters, of the model that a revision belongs to; nil if it is unknown. A revision that
-- begins with `@` stands for a model of which no revision is known.
local function model_of(revision)
  if string.sub(revision, 1, 1) == '@' then return string.sub(revision, 2) end
  local name = redis.call('HGET', P .. 'models', 'model:' .. revision)
  return name and string.lower(name) or nil
end
