-- Writes an entry of the audit log. A second call with the same id replaces the entry, so an act is recorded when it
-- begins and again when it ends.
--   gridpress:acts            hash  act -> entry (JSON, see audit.py)
--   gridpress:audit           zset  all acts, score 0: lexical order is order of time
--   gridpress:audit:<tenant>  zset  the acts of one tenant's API keys, likewise
-- Old entries are deleted here, a few for each new one: those that are too old, and the oldest of a tenant that has too
-- many.
-- ARGV: act, tenant ('' for a command), entry, the lowest act that is kept, maximum number of entries of a tenant.
-- Returns the number of deleted entries.

-- needs: keys
local act, tenant, entry, first_kept, most = unpack(ARGV)
local MOST_DELETED = 100
local all, own = P .. 'audit', P .. 'audit:' .. tenant

local function delete(acts)
  for _, each in ipairs(acts) do
    local text = redis.call('HGET', P .. 'acts', each)
    local is_readable, found = pcall(cjson.decode, text or '')
    local of = is_readable and type(found) == 'table' and tostring(found.tenant or '') or tenant
    redis.call('ZREM', P .. 'audit:' .. of, each)
    redis.call('HDEL', P .. 'acts', each)
    redis.call('ZREM', all, each)
  end
  return #acts
end

redis.call('HSET', P .. 'acts', act, entry)
redis.call('ZADD', all, 0, act)
redis.call('ZADD', own, 0, act)
local num = delete(redis.call('ZRANGEBYLEX', all, '-', '(' .. first_kept, 'LIMIT', 0, MOST_DELETED))
local excess = math.min(MOST_DELETED, redis.call('ZCARD', own) - tonumber(most))
if excess > 0 then num = num + delete(redis.call('ZRANGE', own, 0, excess - 1)) end
return num
