-- Opens a restored store for all roles. Upkeep will not delete condition images of which the restored store knows
-- nothing: see `inputs_since_ms` in state_version.py.
-- ARGV: names and values of the fields that the restored state has.

-- needs: keys, wall_clock
local key = P .. 'state'
redis.call('DEL', key)
if #ARGV > 0 then redis.call('HSET', key, unpack(ARGV)) end
redis.call('HSET', key, 'inputs_since_ms', string.format('%.0f', wall_ms()))
