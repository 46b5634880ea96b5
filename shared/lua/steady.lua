-- The one clock of every script. It follows the wall's, but does not jump when that is set: leases, limits of time, pauses
-- and retention are durations. `offset_ms` is what it differs by; look_at_clock.lua, which compares the wall's clock with
-- one that nobody can set, keeps it, and notes when it looked (`seen_ms`). Where that was long ago, the wall's clock may
-- have been set since: the script ends before it does anything, the caller has the clock looked at and calls again
-- (shared/store/steady_clock.py). The same time for the whole of a script.
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
