-- The clock of every script. It follows the wall clock of the store's server. But when somebody sets the wall clock,
-- this clock does not jump, because leases, time limits, pauses and retention are durations.
-- This clock is the wall clock plus `offset_ms`. check_clock.lua corrects the offset, by comparison with a clock that
-- can't be set, and stores the time of its check (`seen_ms`). If the last check is too old, the wall clock may have
-- been set since then. In this case a script ends before it does anything. The Python client then has the clock checked
-- and runs the script once more (shared/store/core/steady_clock.py).
-- While a script runs, the time does not change.

-- needs: keys, wall_clock
local DOUBT_MS = 2000 -- upkeep checks the clock twice a second
local known_offset
local steady_now
do
  local known, wall = redis.call('HMGET', P .. 'clock', 'offset_ms', 'seen_ms'), wall_ms()
  if known[2] and math.abs(wall - known[2]) > DOUBT_MS then return redis.error_reply('CLOCK not looked at for long') end
  known_offset = tonumber(known[1] or 0)
  steady_now = wall + known_offset
end

-- Returns the time of the scripts' clock (ms).
local function now_ms()
  return steady_now
end

-- Converts a wall clock time that a client sent to the scripts' clock (ms). Returns '' for ''.
local function moment_of(moment_ms)
  return moment_ms == '' and '' or moment_ms + known_offset
end
