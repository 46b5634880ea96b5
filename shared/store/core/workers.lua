-- Functions that find the live workers of a stage and their slots. A worker is live until its announcement expires.

-- needs: keys

local FIRST_WORKERS, MOST_WORKERS = 16, 1000 -- read with one command

-- Returns the slots of all live workers of a stage. The slots of a dead worker stop counting when its announcement
-- ends. With `enough`, the count ends once it has reached that number, and reads few of thousands of workers.
local function live_slots(stage, now, enough)
  local slots, first, count = 0, 0, FIRST_WORKERS
  repeat
    local workers = redis.call('ZRANGEBYSCORE', P .. 'workers:' .. stage, '(' .. now, '+inf', 'LIMIT', first, count)
    if #workers == 0 then return slots end
    for _, num in ipairs(redis.call('HMGET', P .. 'slots:' .. stage, unpack(workers))) do
      slots = slots + tonumber(num or 0)
    end
    first, count = first + #workers, MOST_WORKERS
  until enough and slots >= enough
  return slots
end

-- Returns whether the announcement of a worker has not expired.
local function is_alive(worker, stage, now)
  local ends_at = redis.call('ZSCORE', P .. 'workers:' .. stage, worker)
  return ends_at ~= false and tonumber(ends_at) > now
end
