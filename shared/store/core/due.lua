-- Functions that process the due entries of a sorted set. The score of an entry is the time (ms) at which it is due.
-- If the work on an entry fails with an error, the entry is due again one minute later. Otherwise an entry with a
-- broken record would fail each time and block the entries behind it. The error is counted as a fault and written to
-- the store's log.

-- needs: keys
local POSTPONE_MS = 60000

-- Postpones an entry to `until_ms`. `kind` names the fault count; by default it is named after the sorted set.
local function postpone(key, entry, until_ms, why, kind)
  redis.log(redis.LOG_WARNING, 'gridpress: ' .. entry .. ' in ' .. key .. ' is postponed: ' .. tostring(why))
  redis.call('HINCRBY', P .. 'fault_counts', 'put_off.' .. (kind or string.sub(key, #P + 1)), 1)
  redis.call('ZADD', key, 'XX', until_ms, entry)
end

-- Calls `work` with each due entry, and `give_up`, if given, with each entry for which `work` failed. Returns the
-- number of due entries.
local function each_due(key, upto, most, work, give_up)
  local due = redis.call('ZRANGEBYSCORE', key, '-inf', upto, 'LIMIT', 0, most)
  for _, entry in ipairs(due) do
    local is_done, why = pcall(work, entry)
    if not is_done then
      postpone(key, entry, upto + POSTPONE_MS, type(why) == 'table' and why.err or why)
      if give_up then give_up(entry) end
    end
  end
  return #due
end
