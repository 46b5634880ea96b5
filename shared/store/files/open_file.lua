-- Announces a file before its first byte is stored, so that one whose sender or server dies half-way is cleaned up.
--   gridpress:file:<file>              hash  tenant, and once it is whole purpose, filename, bytes, sha256, times (ms)
--   gridpress:files:<tenant>[:<purpose>]  zset  ids of whole files, score 0: lexical order is order of creation
--   gridpress:file_ends                zset  file ids by the time (ms) at which their bytes are to be deleted
-- ARGV: file, tenant, longest time that sending may take (ms)
-- needs: keys, steady
local now = now_ms()
redis.call('HSET', P .. 'file:' .. ARGV[1], 'tenant', ARGV[2], 'created_ms', now)
redis.call('ZADD', P .. 'file_ends', now + tonumber(ARGV[3]), ARGV[1])
return 1
