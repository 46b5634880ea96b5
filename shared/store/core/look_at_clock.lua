-- Finds out whether this server's clock was set, and by how much. It compares the time that passed by this clock with the time
-- that passed by the boot clock of the caller's machine, which nobody can set. A jump is subtracted from the offset of the
-- scripts' clock (steady.lua). The offset then shrinks slowly, so that times shown to people become right in the end. A
-- machine is compared only with itself.
--   gridpress:clock    hash    offset_ms, seen_ms (wall clock of the last check), jumped_ms (the last jump, signed),
--                              jumped_at_ms; per machine: the scripts' time and the machine's at its last check. Each boot
--                              makes a new one, so once there are many, those not seen for long are dropped
-- ARGV: machine (its boot id), its clock (ms), 'keep' to start checks in a new store, 'trust' to accept the wall clock where
-- this machine has no earlier check, else ''
-- Returns {'looked', jump (ms)}, or {'unsure'}.
-- needs: keys, clock
local machine, ticks, way = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local DOUBT_MS = 2000
local NOTICED_MS = 1000 -- less is the work of a time server, or of a slow network
local SLEW = 0.01 -- an hour is made good within five days; a limit of a minute is off by half a second
local MANY, LONG_MS = 32, 86400000
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
