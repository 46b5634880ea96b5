-- Functions that check the record of an entry of a queue before the entry is leased. If the record is broken, they set
-- the entry aside: it leaves the queue, so that it does not block the entries behind it. An operator finds it in the
-- store's log and in this list:
--   gridpress:aside  zset  list (without prefix), a space and the entry, by the time at which it was set aside (ms)
-- The number of these entries is in gridpress:fault_counts.

-- needs: keys, clock
local MOST_ASIDE = 100 -- most entries that one call sets aside; the call then takes a few milliseconds

-- Sets an entry aside. The write to `aside` comes first: if the store refuses writes, the script ends here and the list
-- is unchanged.
local function set_aside(list, entry, kind, why)
  redis.call('ZADD', P .. 'aside', now_ms(), list .. ' ' .. entry)
  redis.call('HINCRBY', P .. 'fault_counts', 'aside.' .. kind, 1)
  redis.call('ZREM', P .. list, entry)
  redis.log(redis.LOG_WARNING, 'gridpress: ' .. entry .. ' in ' .. list .. ' is set aside: ' .. why)
end

local function is_text(value)
  return type(value) == 'string'
end

-- Returns whether the value is an integer that HINCRBY can increment. A Lua number is exact up to 15 digits.
local function is_whole(value)
  return is_text(value) and #value < 16 and string.find(value, '^%-?%d+$') ~= nil
end

-- Returns whether the value can be the number of a job's renders, whose indexes have four digits.
local function is_render_count(value)
  return is_whole(value) and #value < 5
end

local function is_number(value)
  local number = tonumber(value)
  return number ~= nil and math.abs(number) < 1e15
end

-- Returns a validator that also accepts a missing value.
local function optional(is_valid)
  return function(value) return not value or is_valid(value) end
end

-- Reads fields of a hash. `fields` has in turn a name, and a function that returns whether a value is valid (false for a
-- missing field). Returns the record by name, or nil and a description of the fault.
local function read_record(key, fields)
  local names, record = {}, {}
  for i = 1, #fields, 2 do names[(i + 1) / 2] = fields[i] end
  local found = redis.pcall('HMGET', key, unpack(names))
  if found.err then return nil, found.err end
  for i, name in ipairs(names) do
    if not fields[2 * i](found[i]) then return nil, key .. ' has no valid ' .. name end
    record[name] = found[i]
  end
  return record
end

-- Returns a description of the fault when no event can be appended to a job's stream, else nil.
local function fault_of_events(job)
  local kind = redis.call('TYPE', P .. 'events:' .. job).ok
  if kind ~= 'stream' and kind ~= 'none' then return 'the events of ' .. job .. ' are a ' .. kind end
end
