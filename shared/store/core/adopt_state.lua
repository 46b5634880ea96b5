-- Marks the store as a store of a release: its records may have the version that this release writes.
-- See state_version.py. A new store knows nothing of the objects that exist already.
-- Arguments (ARGV):
--   1: the version that the release writes
--   2: the oldest version that it can bring up to date
--   3: the name of the release
-- Returns 1, or 0 when the release can't read the store. Then nothing is written.

-- needs: keys, wall_clock
local key, own = P .. 'state', tonumber(ARGV[1])
local known = redis.call('HMGET', key, 'version', 'oldest')
local newest, oldest = tonumber(known[1] or 1), tonumber(known[2] or 1)
if newest > own or oldest < tonumber(ARGV[2]) then return 0 end
if redis.call('EXISTS', key) == 0 and redis.call('HEXISTS', P .. 'ledger', 'accepted') == 0 then
  redis.call('HSET', key, 'inputs_since_ms', string.format('%.0f', wall_ms()))
end
if newest < own then
  redis.call('HSET', key, 'version', own, 'release', ARGV[3], 'oldest', oldest)
  redis.call('HDEL', key, 'cursor')
end
return 1
