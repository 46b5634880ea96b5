-- Functions that count the bytes that a tenant has stored: pictures of jobs in the store, condition images and files.
--   gridpress:stored:<tenant>       string  number of bytes
--   gridpress:input_bytes:<tenant>  hash    object with a condition image -> its bytes that are counted
-- A render and a file have their counted bytes in the field `stored`. Exactly these are subtracted when the record is
-- deleted. So what an earlier release stored, which counts nothing, is never subtracted.

-- needs: keys

-- Adds bytes to those that the tenant has stored. A negative number subtracts.
local function count_stored(tenant, num_bytes)
  if tonumber(num_bytes) ~= 0 then
    redis.call('INCRBY', P .. 'stored:' .. tenant, string.format('%.0f', num_bytes))
  end
end

-- Returns the bytes that the tenant has stored and its limit, if so many more bytes would exceed the limit; else nothing.
local function excess_stored(tenant, more)
  local most = redis.call('HGET', P .. 'limits:' .. tenant, 'stored_bytes')
  if not most then return nil end
  local num = tonumber(redis.call('GET', P .. 'stored:' .. tenant) or 0)
  if num + more <= tonumber(most) then return nil end
  return { num, tonumber(most) }
end
