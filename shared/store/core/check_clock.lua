-- Finds out whether somebody set the wall clock of the store's server, and by how much it jumped. The script compares
-- two measurements of the time since the last check: by the wall clock of the store's server, and by the boot clock of
-- the caller's machine. A boot clock can't be set.
-- The script subtracts a jump from the offset of the scripts' clock (clock.lua), so that the scripts' clock does not
-- jump. Afterwards the offset slowly shrinks towards 0, so that times shown to people become right again. A machine is
-- compared only with its own last check.
--   gridpress:clock  hash  offset_ms; seen_ms (wall clock of the last check); jumped_ms (the last jump, signed);
--                          jumped_at_ms; and for each machine the scripts' time and the machine's boot clock at its
--                          last check. Every boot adds a field. So once there are MANY fields, those that are older
--                          than LONG_MS are deleted
-- Arguments (ARGV):
--   1: the id of the machine at this boot
--   2: the machine's boot clock (ms)
--   3: mode: 'keep' also starts the checks in a new store; 'trust' accepts the wall clock if this machine has no
--      earlier check; '' does neither
-- Returns {'looked', jump (ms)}, or {'unsure'} when the time can't be verified.

-- needs: keys, wall_clock

local machine, ticks, mode = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local DOUBT_MS = 2000
local NOTICED_MS = 1000 -- smaller differences come from a time server or a slow network
-- an offset of an hour is gone after five days; meanwhile a time limit of a minute is wrong by half a second
local SLEW = 0.01
local MANY, LONG_MS = 32, 86400000
local key, wall = P .. 'clock', wall_ms()
local known = redis.call('HMGET', key, 'offset_ms', 'seen_ms', machine)
if not known[2] and mode ~= 'keep' then return { 'looked', 0 } end
local offset, jump = tonumber(known[1] or 0), 0
if known[3] then
  local steady, ticked = string.match(known[3], '^(%S+) (%S+)$')
  jump = (wall + offset - steady) - (ticks - ticked)
  if math.abs(jump) < NOTICED_MS then jump = 0 end
  local most = math.max(0, (ticks - ticked) * SLEW)
  offset = offset - jump
  offset = math.floor(offset - math.max(-most, math.min(most, offset)))
elseif known[2] and math.abs(wall - known[2]) > DOUBT_MS and mode ~= 'trust' then
  return { 'unsure' }
end
local function text(number) return string.format('%.0f', number) end
redis.call('HSET', key, 'offset_ms', text(offset), 'seen_ms', text(wall), machine,
  text(wall + offset) .. ' ' .. text(ticks))
if redis.call('HLEN', key) > MANY then
  local all = redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    local seen = string.match(all[i + 1], '^(%S+) %S+$')
    if seen and tonumber(seen) < wall + offset - LONG_MS then redis.call('HDEL', key, all[i]) end
  end
end
if jump ~= 0 then
  redis.call('HINCRBY', P .. 'fault_counts', 'clock_jump', 1)
  redis.call('HSET', key, 'jumped_ms', text(jump), 'jumped_at_ms', text(wall))
end
return { 'looked', jump }
