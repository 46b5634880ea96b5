-- Takes the place of shared/store/core/wall_clock.lua in tests: a clock that stands still until the test moves it.
local function wall_ms()
  return tonumber(redis.call('GET', 'test:clock_ms'))
end
