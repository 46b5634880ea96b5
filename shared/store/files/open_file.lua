-- Creates the record of a file before its first byte is stored. So upkeep deletes the bytes even if the client or the
-- API process dies during the upload.
--   gridpress:file:<file>                 hash  tenant, created_ms; once it is complete purpose, filename, bytes,
--                                               sha256, expires_ms
--   gridpress:files:<tenant>[:<purpose>]  zset  ids of complete files, score 0: lexical order is order of creation
--   gridpress:file_ends                   zset  file ids by the time at which their bytes are to be deleted (ms)
-- ARGV: file, tenant, longest time that the upload may take (ms).
-- Returns 1, or 0 while the tenant's data is being erased.

-- needs: keys, clock, erasing
if is_erasing(ARGV[2]) then return 0 end
local now = now_ms()
redis.call('HSET', P .. 'file:' .. ARGV[1], 'tenant', ARGV[2], 'created_ms', now)
redis.call('ZADD', P .. 'file_ends', now + tonumber(ARGV[3]), ARGV[1])
return 1
