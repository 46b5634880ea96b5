-- Finds out whether this server's clock was set, and by how much: time passed by it, and by a clock of the caller's machine
-- that nobody can set. What a jump was, is taken from the offset of the scripts' clock (steady.lua), which then goes back
-- to the wall's slowly, so that moments shown to people are right in the end. A machine is compared only with itself.
--   gridpress:clock    hash    offset_ms, seen_ms (when it was looked at, by the wall), jumped_ms (the last jump, signed),
--                              jumped_at_ms; per machine: the scripts' time and its own when it looked
-- ARGV: machine (its boot), its clock (ms), 'keep' to begin where nobody looked yet, 'trust' to believe the wall where this
-- machine has nothing to compare with, else ''
-- Returns {'looked', jump (ms)}, or {'unsure'}.
local machine, ticks, way = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local DOUBT_MS = 2000
local NOTICED_MS = 1000 -- less is the work of a time server, or of a slow network
local SLEW = 0.01 -- an hour is made good within five days; a limit of a minute is off by half a second
local key, wall = P .. 'clock', wall_ms()
local known = redis.call('HMGET', key, 'offset_ms', 'seen_ms', machine)
if not known[2] and way ~= 'keep' then return { 'looked', 0 } end
local offset, jump = tonumber(known[1] or 0), 0
if known[3] then
  local steady, ticked = string.match(known[3], '^(%S+) (%S+)$')
  jump = (wall + offset - steady) - (ticks - ticked)
  if math.abs(jump) < NOTICED_MS then jump = 0 end
  local most = math.max(0, (ticks - ticked) * SLEW)
  offset = offset - jump
  offset = math.floor(offset - math.max(-most, math.min(most, offset)))
elseif known[2] and math.abs(wall - known[2]) > DOUBT_MS and way ~= 'trust' then
  return { 'unsure' }
end
local function text(number) return string.format('%.0f', number) end
redis.call('HSET', key, 'offset_ms', text(offset), 'seen_ms', text(wall), machine, text(wall + offset) .. ' ' .. text(ticks))
if jump ~= 0 then
  redis.call('HINCRBY', P .. 'fault_counts', 'clock_jump', 1)
  redis.call('HSET', key, 'jumped_ms', text(jump), 'jumped_at_ms', text(wall))
end
return { 'looked', jump }
