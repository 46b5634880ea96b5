-- Leases one job or batch that is to be copied into the bucket of its tenant, or a copy that is to be deleted. Tenants take turns. A tenant whose bucket
-- refused gets one try at a time, with growing pauses, so that it does not delay others. What has waited longer than the
-- patience while the bucket refuses is given up, and its webhook message is sent.
-- ARGV: holder, lease (ms), maximum number of leases of one tenant, patience (ms), '1' if the bucket may be one that
--   refused last, else '0'.
-- Returns {entry of a list of copies.lua, tenant, bucket (JSON), '1' if the bucket refused last, origin or '', record of the job
-- (job_record.lua) or '', batch of its line or '', note of its line or ''}, or {} when there is none. A first element
-- '' with a second one tells that so many copies were given up: claim again.

-- needs: keys, clock, copies, job_record
local MOST_TENANTS, MOST_GIVEN_UP = 20, 100
local holder, ttl, cap, patience, may_be_failing = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]),
  ARGV[5] == '1'
local now = now_ms()

-- Frees the leases that have ended, because their worker died.
local function free_lapsed(leases)
  local held = redis.call('HGETALL', leases)
  for i = 1, #held, 2 do
    if tonumber(string.match(held[i + 1], '^(%d+)|') or 0) <= now then redis.call('HDEL', leases, held[i]) end
  end
end

-- Gives up what waits longer than the patience, or everything if the tenant has no bucket any more.
local function give_up_late(tenant, why, is_all)
  local num = 0
  for _, entry in ipairs(redis.call('ZRANGEBYSCORE', P .. 'copies:' .. tenant, '-inf', is_all and '+inf' or now,
    'LIMIT', 0, MOST_GIVEN_UP)) do
    local since = tonumber(redis.call('HGET', copied_record(entry), 'copy_since_ms') or 0)
    local is_leased = redis.call('HEXISTS', P .. 'copy_leases:' .. tenant, entry) == 1
    if is_all or (since <= now - patience and not is_leased) then
      end_copy(entry, tenant, 'failed', why, now)
      num = num + 1
    end
  end
  return num
end

-- Returns the first due entry of a list that nobody has leased, and its due time. A batch waits for the copies of its
-- jobs.
local function first_free_of(list, leases, num)
  local due = redis.call('ZRANGEBYSCORE', list, '-inf', now, 'WITHSCORES', 'LIMIT', 0, num + 10)
  for i = 1, #due, 2 do
    local entry, at = due[i], tonumber(due[i + 1])
    local left = not is_deletion(entry) and tonumber(redis.call('HGET', copied_record(entry), 'copies_left') or 0) or 0
    if left > 0 then
      redis.call('ZADD', list, now + NEXT_LOOK_MS, entry)
    elseif redis.call('HEXISTS', leases, entry) == 0 then
      return entry, at
    end
  end
end

-- Returns the copy or deletion that has been due for longest and that nobody has leased.
local function first_free(tenant, leases, num)
  local copy, copy_at = first_free_of(P .. 'copies:' .. tenant, leases, num)
  local deletion, deletion_at = first_free_of(P .. 'copy_deletions:' .. tenant, leases, num)
  return (not copy or deletion and deletion_at < copy_at) and deletion or copy
end

-- Serves a tenant that has no bucket any more: its copies can be neither made nor deleted. Returns how many are given up.
local function give_up_all(tenant)
  redis.call('DEL', P .. 'copy_deletions:' .. tenant)
  local num = give_up_late(tenant, 'the tenant has no bucket any more', true)
  if num == 0 then
    redis.call('DEL', P .. 'copy_leases:' .. tenant) -- those of deletions
    schedule_copies(tenant, now)
  end
  return num
end

-- Returns the lease of an entry, as this script does.
local function lease(entry, tenant, bucket, is_failing)
  redis.call('HSET', P .. 'copy_leases:' .. tenant, entry, string.format('%.0f', now + ttl) .. '|' .. holder)
  if is_deletion(entry) then return { entry, tenant, bucket, is_failing and '1' or '0', '', '', '', '' } end
  local key = copied_record(entry)
  local known = redis.call('HMGET', key, 'origin', 'copy_batch', 'copy_note')
  local record = string.sub(entry, 1, 6) ~= 'batch_' and job_record(entry) or ''
  return { entry, tenant, bucket, is_failing and '1' or '0', known[1] or '', record, known[2] or '', known[3] or '' }
end

-- Serves a tenant. Returns its lease, or nil and the number of copies that were given up.
local function serve(tenant)
  local leases, bucket = P .. 'copy_leases:' .. tenant, redis.call('HGET', P .. 'buckets', tenant)
  if not bucket then return nil, give_up_all(tenant) end
  free_lapsed(leases)
  local state = redis.call('HMGET', P .. 'copy_state:' .. tenant, 'strikes', 'error')
  local is_failing, num = tonumber(state[1] or 0) > 0, redis.call('HLEN', leases)
  local given_up = is_failing and give_up_late(tenant, state[2] or '', false) or 0
  if given_up > 0 then return nil, given_up end
  if num >= (is_failing and 1 or cap) or (is_failing and not may_be_failing) then
    schedule_copies(tenant, now, true)
    return nil, 0
  end
  local entry = first_free(tenant, leases, num)
  local found = entry and lease(entry, tenant, bucket, is_failing)
  schedule_copies(tenant, now)
  return found, 0
end

for _, tenant in ipairs(redis.call('ZRANGEBYSCORE', P .. 'copy_tenants', '-inf', now, 'LIMIT', 0, MOST_TENANTS)) do
  local found, given_up = serve(tenant)
  if found then return found end
  if given_up > 0 then return { '', given_up } end
end
return {}
