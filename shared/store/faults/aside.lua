-- Reads the records of what is to be leased, and puts aside entries whose records are broken: out of the list from which they
-- are claimed, so that they keep nothing behind them from its turn. An operator finds them in
--   gridpress:aside  zset  list (without prefix), a space and the entry, by the time at which it was put aside (ms)
-- and in the store's log; fault_counts has their number.
-- needs: keys, steady
local MOST_ASIDE = 100 -- in one call, which then takes a few milliseconds

-- The entry in `aside` comes first: a store that refuses writes ends the script here, and the list stays as it is.
local function set_aside(list, entry, kind, why)
  redis.call('ZADD', P .. 'aside', now_ms(), list .. ' ' .. entry)
  redis.call('HINCRBY', P .. 'fault_counts', 'aside.' .. kind, 1)
  redis.call('ZREM', P .. list, entry)
  redis.log(redis.LOG_WARNING, 'gridpress: ' .. entry .. ' in ' .. list .. ' is put aside: ' .. why)
end

local function is_text(value)
  return type(value) == 'string'
end

-- What HINCRBY can count up; 15 digits are exact as a Lua number, too.
local function is_whole(value)
  return is_text(value) and #value < 16 and string.find(value, '^%-?%d+$') ~= nil
end

-- The number of a job's renders: theirs have four digits.
local function is_few(value)
  return is_whole(value) and #value < 5
end

local function is_number(value)
  local number = tonumber(value)
  return number ~= nil and math.abs(number) < 1e15
end

local function optional(is_valid)
  return function(value) return not value or is_valid(value) end
end

-- `fields`: a list of pairs, of a name and a function that says whether a value (false: there is none) is valid.
-- Returns the record by name, or nil and what is wrong with it.
local function read_record(key, fields)
  local names, record = {}, {}
  for i, field in ipairs(fields) do names[i] = field[1] end
  local found = redis.pcall('HMGET', key, unpack(names))
  if found.err then return nil, found.err end
  for i, field in ipairs(fields) do
    if not field[2](found[i]) then return nil, key .. ' has no valid ' .. field[1] end
    record[field[1]] = found[i]
  end
  return record
end

-- Returns why no event can be appended to a job's stream, nil if one can.
local function fault_of_events(job)
  local kind = redis.call('TYPE', P .. 'events:' .. job).ok
  if kind ~= 'stream' and kind ~= 'none' then return 'the events of ' .. job .. ' are a ' .. kind end
end
