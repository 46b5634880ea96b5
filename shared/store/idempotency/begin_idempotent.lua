-- Begins a request with its Idempotency-Key, or returns why not.
--   gridpress:idempotency:<scope>  hash  fingerprint, id (reserved for the job or file), holder and until_ms while a request
--                                        runs, stands (1: the job was made), answer (JSON) once there is one,
--                                        overtaken (ms: when the lease of an earlier holder, who may still make the job, had
--                                        ended), refused (1: the request was refused all the same), ends_ms
--   gridpress:idempotency_ends     zset  scopes by ends_ms: Valkey's own expiry follows the wall clock, and one that is set
--                                        forward would end all keys
-- ARGV: scope, fingerprint, id, holder, lease (ms), kept for (ms)
-- Returns {'reused'}; {'answered', answer}; {'busy'}; or {'mine', id}: the caller may run the request.
-- needs: keys, steady
local ENDED_MS = 15 * 60000 -- a process has come to an end by then with any request, or was ended
local key = P .. 'idempotency:' .. ARGV[1]
local now = now_ms()

local function read()
  return redis.call('HMGET', key, 'fingerprint', 'answer', 'until_ms', 'stands', 'id')
end

local known, past = read(), redis.call('HMGET', key, 'ends_ms', 'refused', 'overtaken')
local is_over = past[1] and tonumber(past[1]) <= now
local is_free = past[2] and known[1] ~= ARGV[2] and tonumber(past[3]) + ENDED_MS <= now
if is_over or is_free then
  redis.call('DEL', key)
  known = read()
end

if known[1] and known[1] ~= ARGV[2] then return { 'reused' } end
if known[2] then return { 'answered', known[2] } end
-- Any number may wait for a job that stands: whoever comes later is answered from it, too.
if known[4] then return { 'mine', known[5] } end
if known[3] and tonumber(known[3]) > now then return { 'busy' } end
local ends = now + tonumber(ARGV[6])
redis.call('HSET', key, 'fingerprint', ARGV[2], 'holder', ARGV[4], 'until_ms', now + tonumber(ARGV[5]), 'ends_ms', ends)
redis.call('HSETNX', key, 'id', ARGV[3])
if known[3] then redis.call('HSET', key, 'overtaken', now) end
redis.call('PERSIST', key) -- of an earlier release
redis.call('ZADD', P .. 'idempotency_ends', ends, ARGV[1])
return { 'mine', redis.call('HGET', key, 'id') }
