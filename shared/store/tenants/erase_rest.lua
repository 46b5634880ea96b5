-- Deletes the other records of a tenant that has no jobs, batches, files and messages any more.
-- ARGV: tenant, then pools in which the tenant may be.
-- Returns the number of deleted records.

-- needs: classes, keys, outbox, shares
local tenant, num = ARGV[1], 0
local function delete(key) num = num + redis.call('DEL', P .. key .. ':' .. tenant) end
for _, key in ipairs({ 'client_ids', 'load', 'parked', 'dead', 'activity', 'followed', 'sequence', 'messages',
  'subscriptions', 'endpoints', 'input_names', 'input_bytes', 'stored', 'jobs', 'files', 'batches', 'reuse', 'reuse_ends',
  'copies', 'copy_deletions', 'copy_leases', 'copy_state' }) do
  delete(key)
end
for _, status in ipairs({ 'queued', 'running', 'succeeded', 'failed', 'cancelled', 'expired', 'rejected' }) do
  num = num + redis.call('DEL', P .. 'jobs:' .. tenant .. ':' .. status, P .. 'kept:' .. tenant .. ':' .. status)
  num = num + redis.call('ZREM', P .. 'kept_lists', tenant .. ':' .. status)
end
for _, purpose in ipairs({ 'batch', 'batch_output', 'vision', 'user_data' }) do
  num = num + redis.call('DEL', P .. 'files:' .. tenant .. ':' .. purpose)
end
for _, class in ipairs(CLASSES) do
  delete('line:' .. class)
  num = num + redis.call('ZREM', P .. 'line:' .. class, tenant)
end
for class in pairs(CLASS) do num = num + redis.call('DEL', P .. 'batch_order:' .. class .. '|' .. tenant) end
num = num + redis.call('ZREM', P .. 'copy_tenants', tenant)
for _, key in ipairs({ 'enhancing', 'dead' }) do num = num + redis.call('SREM', P .. key, tenant) end
for i = 2, #ARGV do
  if member_of(ARGV[i], tenant) then
    leave_pool(ARGV[i], tenant)
    num = num + 1
  end
end

-- Returns whether a lane is one of the tenant.
local function is_own(lane) return string.match(lane, '^[^|]*|([^|]*)') == tenant end

for _, stage in ipairs({ 'ar', 'dit', 'dit_later' }) do
  for _, lane in ipairs(redis.call('HKEYS', P .. 'cost:' .. stage)) do
    if is_own(lane) then num = num + redis.call('HDEL', P .. 'cost:' .. stage, lane) end
  end
  for _, lane in ipairs(redis.call('SMEMBERS', P .. 'lanes:' .. stage)) do
    if is_own(lane) then
      num = num + redis.call('SREM', P .. 'lanes:' .. stage, lane)
      num = num + redis.call('DEL', P .. 'waiting:' .. stage .. ':' .. lane)
    end
  end
end
for _, entry in ipairs(redis.call('ZRANGE', P .. 'aside', 0, -1)) do
  if string.find(entry, '|' .. tenant .. '|', 1, true) then num = num + redis.call('ZREM', P .. 'aside', entry) end
end
return num
