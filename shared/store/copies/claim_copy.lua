-- Leases one job or batch that is to be copied into the bucket of its tenant, or a copy that is to be deleted. Tenants take
-- turns. A bucket that refused gets one try of this kind (copy or deletion) at a time, with growing pauses. A bucket whose
-- requests are slow gets half as many tries at a time as others. So neither delays others. What has waited longer than the
-- patience while the bucket refuses or is slow is given up, and its webhook message is sent. The time in which the bucket
-- worked does not count: delivery may have been away.
-- ARGV: holder, lease (ms), maximum number of leases of one tenant, patience (ms), '1' if the bucket may be one that
--   refused last or is slow, else '0'.
-- Returns one of
--   {'leased', entry of a list of copies.lua, tenant, bucket (JSON), '1' if the bucket refused last or is slow, origin or '',
--     record of the job (job_record.lua) or '', batch of its line or '', note of its line or ''}
--   {'given_up', number of copies that were given up}: claim again
--   {'more'}: nothing was found for these tenants, and others are due: claim again
--   {'none'}

-- needs: keys, clock, copies, fields, job_record
local MOST_TENANTS, MOST_GIVEN_UP, MOST_WAITING = 20, 100, 200 -- in one call
local MOST_LAPSES, LAPSE_PAUSE_MS = 5, 60000
local KINDS = { copies = '', copy_deletions = 'delete_' } -- the lists, and what their fields of copy_state begin with
local holder, ttl, cap, patience, may_be_limited = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]),
  ARGV[5] == '1'
local now = now_ms()

-- Puts off what a worker left unfinished when it ended, longer after each time, in case it ended the worker. Returns the
-- number of copies that are given up: 1 after the fifth time, else 0.
local function put_off(entry, tenant)
  local key, list = copied_record(entry), copies_with(entry, tenant)
  if is_deletion(entry) then
    local pause = strike(entry, tenant, 'the worker that deleted them ended', now, LAPSE_PAUSE_MS)
    redis.call('ZADD', list, 'XX', now + pause, entry)
  elseif redis.call('HEXISTS', key, 'copy') == 1 then
    local num = redis.call('HINCRBY', key, 'copy_lapses', 1)
    if num >= MOST_LAPSES then
      end_copy(entry, tenant, 'failed', 'it was cut short ' .. num .. ' times, because its worker ended', now)
      return 1
    end
    if num > 1 then redis.call('ZADD', list, 'XX', now + (num - 1) * LAPSE_PAUSE_MS, entry) end
  end
  return 0
end

-- Frees the leases that have ended, because their worker died. Returns the number of copies that are given up.
local function free_lapsed(tenant, leases)
  local held, num = redis.call('HGETALL', leases), 0
  for i = 1, #held, 2 do
    if tonumber(string.match(held[i + 1], '^(%d+)|') or 0) <= now then
      redis.call('HDEL', leases, held[i])
      num = num + put_off(held[i], tenant)
    end
  end
  return num
end

-- Returns why a copy that is due since a time (ms) is given up, or nil if it is not. It has to wait longer than the
-- patience while the bucket refuses, is slow, or refuses a deletion for which the copy waits. `known` has the fields of the
-- tenant's copy_state.
local function reason_to_give_up(entry, tenant, since, known)
  local function is_late(began) return began and math.max(since, tonumber(began)) <= now - patience end
  if is_late(known.failing_since_ms) then return known.error or '' end
  if is_late(known.slow_since_ms) then
    return string.format('the bucket is slow: a request takes %.1f s', known.slow_ms / 1000)
  end
  if is_late(known.delete_failing_since_ms) and waits_for_deletion(entry, tenant, now) then
    return known.delete_error or ''
  end
end

-- Gives up what waits longer than the patience.
local function give_up_late(tenant, known)
  if not (known.strikes or known.slow_since_ms or known.delete_strikes) then return 0 end
  local num = 0
  for _, entry in ipairs(redis.call('ZRANGE', P .. 'copies:' .. tenant, 0, MOST_GIVEN_UP - 1)) do
    local since = tonumber(redis.call('HGET', copied_record(entry), 'copy_since_ms') or 0)
    local is_leased = redis.call('HEXISTS', P .. 'copy_leases:' .. tenant, entry) == 1
    local why = not is_leased and reason_to_give_up(entry, tenant, since, known)
    if why then
      end_copy(entry, tenant, 'failed', why, now)
      num = num + 1
    end
  end
  return num
end

-- Returns when to look again (ms) at a copy that has to wait for something else, or nil if it does not wait. A batch waits
-- for the copies of its jobs, but no longer than the patience. The pictures of a batch line wait for the deletion of
-- earlier ones.
local function waits_until(entry, tenant)
  if is_deletion(entry) then return nil end
  local known = redis.call('HMGET', copied_record(entry), 'copies_left', 'copy_since_ms')
  if tonumber(known[1] or 0) == 0 then return waits_for_deletion(entry, tenant, now) end
  return tonumber(known[2] or 0) > now - patience and now + NEXT_LOOK_MS or nil
end

-- Returns the first due entry of a list that nobody has leased, and its due time. Puts off those before it that wait.
local function first_free_of(list, tenant, leases)
  local num = redis.call('HLEN', leases)
  local due = redis.call('ZRANGEBYSCORE', list, '-inf', now, 'WITHSCORES', 'LIMIT', 0, num + MOST_WAITING)
  for i = 1, #due, 2 do
    local entry, at = due[i], tonumber(due[i + 1])
    if redis.call('HEXISTS', leases, entry) == 0 then
      local next_look = waits_until(entry, tenant)
      if not next_look then return entry, at end
      redis.call('ZADD', list, next_look, entry)
    end
  end
end

-- Returns the copy or deletion that has been due for longest and that nobody has leased. `rooms` has the kinds for which
-- there is room.
local function first_free(tenant, leases, rooms)
  local found, found_at
  for kind in pairs(rooms) do
    local entry, at = first_free_of(P .. kind .. ':' .. tenant, tenant, leases)
    if entry and (not found or at < found_at) then found, found_at = entry, at end
  end
  return found
end

-- Returns the numbers of leases by kind.
local function num_leased(leases)
  local num = { copies = 0, copy_deletions = 0 }
  for _, entry in ipairs(redis.call('HKEYS', leases)) do
    local kind = is_deletion(entry) and 'copy_deletions' or 'copies'
    num[kind] = num[kind] + 1
  end
  return num
end

-- Returns the kinds of which the tenant may have one more lease: 'limited' if its bucket refused last or is slow, else 'free'.
local function rooms_of(leases, known)
  local num, rooms = num_leased(leases), {}
  local total = num.copies + num.copy_deletions
  for kind, prefix in pairs(KINDS) do
    local is_failing = tonumber(known[prefix .. 'strikes'] or 0) > 0
    local is_limited = is_failing or known.slow_ms
    local is_paused = is_failing and tonumber(known[prefix .. 'resumes_ms'] or 0) > now
    local is_busy = total >= (known.slow_ms and math.max(1, math.floor(cap / 2)) or cap) or (is_failing and num[kind] > 0)
    if not (is_paused or is_busy or (is_limited and not may_be_limited)) then
      rooms[kind] = is_limited and 'limited' or 'free'
    end
  end
  return rooms
end

-- Serves a tenant that has no bucket any more: its copies can be neither made nor deleted. Returns how many are given up.
local function give_up_all(tenant)
  redis.call('DEL', P .. 'copy_deletions:' .. tenant)
  local waiting = redis.call('ZRANGE', P .. 'copies:' .. tenant, 0, MOST_GIVEN_UP - 1)
  for _, entry in ipairs(waiting) do end_copy(entry, tenant, 'failed', 'the tenant has no bucket any more', now) end
  if #waiting == 0 then
    redis.call('DEL', P .. 'copy_leases:' .. tenant) -- those of deletions
    schedule_copies(tenant, now)
  end
  return #waiting
end

-- Returns the lease of an entry, as this script does.
local function lease(entry, tenant, bucket, is_limited)
  redis.call('HSET', P .. 'copy_leases:' .. tenant, entry, string.format('%.0f', now + ttl) .. '|' .. holder)
  if is_deletion(entry) then return { 'leased', entry, tenant, bucket, is_limited and '1' or '0', '', '', '', '' } end
  local key = copied_record(entry)
  local known = redis.call('HMGET', key, 'origin', 'copy_batch', 'copy_note')
  local record = string.sub(entry, 1, 6) ~= 'batch_' and job_record(entry) or ''
  return { 'leased', entry, tenant, bucket, is_limited and '1' or '0', known[1] or '', record, known[2] or '',
    known[3] or '' }
end

-- Serves a tenant. Returns its lease, or nil and the number of copies that were given up.
local function serve(tenant)
  local leases, bucket = P .. 'copy_leases:' .. tenant, redis.call('HGET', P .. 'buckets', tenant)
  if not bucket then return nil, give_up_all(tenant) end
  local given_up = free_lapsed(tenant, leases)
  local known = fields_of(P .. 'copy_state:' .. tenant, 'strikes', 'error', 'resumes_ms', 'failing_since_ms', 'delete_strikes',
    'delete_error', 'delete_resumes_ms', 'delete_failing_since_ms', 'slow_ms', 'slow_since_ms')
  given_up = given_up + give_up_late(tenant, known)
  if given_up > 0 then return nil, given_up end
  local rooms = rooms_of(leases, known)
  local entry = first_free(tenant, leases, rooms)
  local is_limited = entry and rooms[is_deletion(entry) and 'copy_deletions' or 'copies'] == 'limited'
  local found = entry and lease(entry, tenant, bucket, is_limited)
  schedule_copies(tenant, now, not found)
  return found, 0
end

local tenants = redis.call('ZRANGEBYSCORE', P .. 'copy_tenants', '-inf', now, 'LIMIT', 0, MOST_TENANTS)
for _, tenant in ipairs(tenants) do
  local found, given_up = serve(tenant)
  if found then return found end
  if given_up > 0 then return { 'given_up', given_up } end
end
return { #tenants == MOST_TENANTS and 'more' or 'none' } -- each of them is due again a second later
