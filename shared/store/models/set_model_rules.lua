-- Replaces what an operator has set for a model.
-- ARGV: model in small letters, rules (JSON) or '' for none, revision of the canary share or ''.
-- Returns 1.

-- needs: keys
local model, rules, canary = unpack(ARGV)
local key = P .. 'models'
local function set(kind, value)
  if value == '' then redis.call('HDEL', key, kind .. ':' .. model) else redis.call('HSET', key, kind .. ':' .. model, value) end
end
set('rules', rules)
set('canary', canary)
-- The other workers announce their revision within ten seconds.
if canary ~= '' and redis.call('HGET', key, 'newest:' .. model) == canary then set('newest', '') end
return 1
