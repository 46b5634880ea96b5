-- Marks the store as a store of a release: its records may have the version that this release writes.
-- See state_version.py.
-- Arguments (ARGV):
--   1: the version that the release writes
--   2: the oldest version that it can bring up to date
--   3: the name of the release
-- Returns 1, or 0 when the release can't read the store. Then nothing is written.

-- needs: keys
local key, own = P .. 'state', tonumber(ARGV[1])
local known = redis.call('HMGET', key, 'version', 'oldest')
local newest, oldest = tonumber(known[1] or 1), tonumber(known[2] or 1)
if newest > own or oldest < tonumber(ARGV[2]) then return 0 end
if newest < own then
  redis.call('HSET', key, 'version', own, 'release', ARGV[3], 'oldest', oldest)
  redis.call('HDEL', key, 'cursor')
end
return 1
