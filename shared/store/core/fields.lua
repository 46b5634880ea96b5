-- A function that reads fields of a hash by name.

-- Returns the values by name; a field that the hash lacks is false.
local function fields_of(key, ...)
  local found, values = {}, redis.call('HMGET', key, ...)
  for i, name in ipairs({ ... }) do found[name] = values[i] end
  return found
end
