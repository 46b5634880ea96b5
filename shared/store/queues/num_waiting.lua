-- A function that counts the renders that wait for a stage.

-- needs: keys, paused, sizes

local LANES_AT_ONCE = 64

-- Returns the number of renders in the lanes of a stage, of one class or of all ('*'). The count ends at `most`. So if
-- only a few renders are asked for, only a few of thousands of lanes are read. With `is_paused` (paused.lua), paused
-- lanes do not count. With `fits`, only lanes whose size class fits count. With `most_pages`, only so many pages of lanes
-- are read, and the second result says whether lanes are left that may count.
local function num_in_lanes(stage, class, most, is_paused, fits, most_pages)
  local total, cursor, num_pages = 0, '0', 0
  repeat
    if num_pages == most_pages then return total, true end
    num_pages = num_pages + 1
    local found = redis.call('SSCAN', P .. 'lanes:' .. stage, cursor, 'MATCH', class .. '|*', 'COUNT', LANES_AT_ONCE)
    cursor = found[1]
    for _, lane in ipairs(found[2]) do
      if total >= most then return most, false end
      if not (is_paused and pause_of_lane(is_paused, stage, lane)) and not (fits and not fits(size_of(lane))) then
        total = total + redis.call('ZCARD', P .. 'waiting:' .. stage .. ':' .. lane)
      end
    end
  until cursor == '0'
  return math.min(most, total), false
end

-- Returns the number of waiting suspects (quarantine.lua) whose size class fits, or `most` if there are more. It reads
-- only the first MOST_LOOKED_AT suspects.
local function num_suspects_that_fit(stage, most, fits)
  local MOST_LOOKED_AT, num = 64, 0
  for _, render in ipairs(redis.call('ZRANGE', P .. 'quarantine:' .. stage, 0, MOST_LOOKED_AT - 1)) do
    if num == most then break end
    local job = redis.pcall('HGET', P .. 'render:' .. render, 'job')
    local lane = type(job) == 'string' and redis.pcall('HGET', P .. 'job:' .. job, 'lane')
    -- a suspect with broken records counts, because the worker that claims it sets it aside
    if type(lane) ~= 'string' or fits(size_of(lane)) then num = num + 1 end
  end
  return num
end

-- Returns the number of renders that wait for a stage, or `most` if there are more. Without `most` it counts all.
local function num_waiting(stage, most)
  most = most or math.huge
  local num = redis.call('ZCARD', P .. 'quarantine:' .. stage)
  local in_lanes = num_in_lanes(stage, '*', math.max(0, most - num))
  return math.min(most, num + in_lanes)
end
