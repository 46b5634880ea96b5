-- A function that compares what a tenant used in this month with its budgets.

-- needs: keys, count_usage

-- Returns what the tenant used, if `n` more pictures would exceed its budget of pictures, or if its budget of device
-- seconds is used up: the number of pictures that are finished or accepted, and the device time (ms). Otherwise it
-- returns nil. The budgets may be false.
local function spent_budget(tenant, pictures, seconds, n, now)
  local month = month_and_day(now)
  local sums = {}
  for number in string.gmatch(redis.call('HGET', P .. 'usage:' .. month .. ':' .. tenant, 'sum') or '', '%d+') do
    sums[#sums + 1] = tonumber(number)
  end
  local load = redis.call('HMGET', P .. 'load:' .. tenant, 'queued', 'running')
  local num, device_ms = (sums[1] or 0) + (load[1] or 0) + (load[2] or 0), (sums[5] or 0) + (sums[6] or 0)
  local is_over = pictures and num + n > tonumber(pictures)
  if is_over or (seconds and device_ms >= 1000 * tonumber(seconds)) then return num, device_ms end
end
