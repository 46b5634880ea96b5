-- The clock of every script. It follows the wall clock but does not jump when that is set, since leases, time limits, pauses
-- and retention are durations. `offset_ms` is its difference from the wall clock. look_at_clock.lua maintains the offset by
-- comparing the wall clock with one that nobody can set, and notes the time of its check (`seen_ms`). If that is long ago,
-- the wall clock may have been set since: the script then ends before it does anything, and its caller has the clock checked
-- and calls again (shared/store/core/steady_clock.py). The time is the same for the whole of a script.
-- needs: keys, clock
local DOUBT_MS = 2000 -- upkeep looks twice a second
local known_offset
local steady_now
do
  local known, wall = redis.call('HMGET', P .. 'clock', 'offset_ms', 'seen_ms'), wall_ms()
  if known[2] and math.abs(wall - known[2]) > DOUBT_MS then return redis.error_reply('CLOCK not looked at for long') end
  known_offset = tonumber(known[1] or 0)
  steady_now = wall + known_offset
end

local function now_ms()
  return steady_now
end

-- A moment that a person named by the clock on the wall, '' for none.
local function moment_of(moment_ms)
  return moment_ms == '' and '' or moment_ms + known_offset
end
