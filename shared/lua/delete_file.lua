-- Takes a file out of sight at once and makes its bytes due for deletion.
-- ARGV: file, tenant
-- Returns 1, or 0 when the tenant has no such file.
local key = P .. 'file:' .. ARGV[1]
local known = redis.call('HMGET', key, 'tenant', 'purpose')
if known[1] ~= ARGV[2] or not known[2] then return 0 end
redis.call('ZREM', P .. 'files:' .. ARGV[2], ARGV[1])
redis.call('ZREM', P .. 'files:' .. ARGV[2] .. ':' .. known[2], ARGV[1])
redis.call('DEL', key)
redis.call('ZADD', P .. 'file_ends', 0, ARGV[1])
return 1
