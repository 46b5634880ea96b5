-- Processes the entries of a sorted set that are due. An entry whose record is broken would fail each time and keep all
-- behind it from their turn: it is due again after a pause, is counted as a fault, and the store's log names it.
-- Returns the number of entries that were due.
-- needs: keys
local PUT_OFF_MS = 60000

-- `kind`: what it counts as, if not by its list.
local function put_off(key, entry, until_ms, why, kind)
  redis.log(redis.LOG_WARNING, 'gridpress: ' .. entry .. ' in ' .. key .. ' is put off: ' .. tostring(why))
  redis.call('HINCRBY', P .. 'fault_counts', 'put_off.' .. (kind or string.sub(key, #P + 1)), 1)
  redis.call('ZADD', key, 'XX', until_ms, entry)
end

-- `work` is called with each entry; `give_up`, if given, with each whose work failed.
local function each_due(key, upto, most, work, give_up)
  local due = redis.call('ZRANGEBYSCORE', key, '-inf', upto, 'LIMIT', 0, most)
  for _, entry in ipairs(due) do
    local is_done, why = pcall(work, entry)
    if not is_done then
      put_off(key, entry, upto + PUT_OFF_MS, type(why) == 'table' and why.err or why)
      if give_up then give_up(entry) end
    end
  end
  return #due
end
