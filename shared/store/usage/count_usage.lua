-- Functions that count what a tenant uses. The script that ends a render calls them, so each picture counts once.
--   gridpress:usage                    zset  <month>|<tenant>, score 0: months in which tenants used something
--   gridpress:usage:<month>:<tenant>   hash  row -> amounts, and `sum` -> amounts of the whole month
-- A month is six digits (202601), in UTC. A row is <day of the month>|<key id>|<quality>. Amounts are numbers with spaces
-- between them (see shared/jobs/usage.py). One text for all amounts takes a tenth of the memory of a field for each.

-- needs: keys

-- Returns the month and the day of the month of a time (ms since 1970). Source: Howard Hinnant, "chrono-Compatible
-- Low-Level Date Algorithms", civil_from_days. There a year begins in March.
local function month_and_day(now)
  local days = math.floor(now / 86400000) + 719468
  local era = math.floor(days / 146097)
  local of_era = days - era * 146097
  local year = math.floor((of_era - math.floor(of_era / 1460) + math.floor(of_era / 36524)
    - math.floor(of_era / 146096)) / 365)
  local of_year = of_era - (365 * year + math.floor(year / 4) - math.floor(year / 100))
  local from_march = math.floor((5 * of_year + 2) / 153)
  local month = from_march < 10 and from_march + 3 or from_march - 9
  if month <= 2 then year = year + 1 end
  return string.format('%04d%02d', year + era * 400, month), of_year - math.floor((153 * from_march + 2) / 5) + 1
end

-- Returns the sum of two texts of amounts. `known` may be false.
local function sum_of_amounts(known, added)
  if not known then return added end
  local sums, num = {}, 0
  for number in string.gmatch(known, '%d+') do sums[#sums + 1] = number end
  for number in string.gmatch(added, '%d+') do
    num = num + 1
    if number ~= '0' or not sums[num] then
      sums[num] = string.format('%.0f', tonumber(sums[num] or 0) + tonumber(number))
    end
  end
  return table.concat(sums, ' ')
end

-- Counts `used`: <key id>|<quality>, a space and amounts.
local function count_usage(tenant, used, now)
  local month, day = month_and_day(now)
  local of, amounts = string.match(used, '^(%S*) (.*)$')
  local key, row = P .. 'usage:' .. month .. ':' .. tenant, string.format('%d|%s', day, of)
  local known = redis.call('HMGET', key, row, 'sum')
  local of_row = sum_of_amounts(known[1], amounts)
  local of_month = known[1] == known[2] and of_row or sum_of_amounts(known[2], amounts)
  redis.call('HSET', key, row, of_row, 'sum', of_month)
  if not known[2] then redis.call('ZADD', P .. 'usage', 0, month .. '|' .. tenant) end
end
