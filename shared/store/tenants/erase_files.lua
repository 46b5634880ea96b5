-- Deletes files of a tenant. An output file of a batch whose record was purged also leads to the batch's pictures: they
-- are deleted too.
-- ARGV: tenant, maximum number of files.
-- Returns the number of deleted files.

-- needs: keys, clock, batch, file
local tenant, most = ARGV[1], tonumber(ARGV[2])
local files = redis.call('ZRANGE', P .. 'files:' .. tenant, 0, most - 1)
for _, file in ipairs(files) do
  local known = redis.call('HMGET', P .. 'file:' .. file, 'purpose', 'filename')
  -- Only the service itself writes files of this purpose, so the name is as a batch worker chose it.
  local batch = known[1] == 'batch_output' and string.match(known[2] or '', '^(batch_%w+)_%l+%.jsonl$')
  if batch then doom_batch(batch, tenant, '', now_ms()) end
  if not delete_file(file, tenant) then redis.call('ZREM', P .. 'files:' .. tenant, file) end
end
return #files
