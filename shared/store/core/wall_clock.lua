-- Defines a function that returns the wall clock of the store's server (ms). Tests replace this file by a test clock.
local function wall_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
