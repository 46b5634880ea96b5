-- Begins a request with its Idempotency-Key, or returns why not.
--   gridpress:idempotency:<scope>  hash  fingerprint, id (reserved for the job or file), holder and until_ms while a request
--                                        runs, stands (1: the job was made), answer (JSON) once there is one,
--                                        overtaken (1: an earlier holder's lease ended, and it may still make the job)
-- ARGV: scope, fingerprint, id, holder, lease (ms), kept for (ms)
-- Returns {'reused'}; {'answered', answer}; {'busy'}; or {'mine', id}: the caller may run the request.
local key = P .. 'idempotency:' .. ARGV[1]
local now = now_ms()
local known = redis.call('HMGET', key, 'fingerprint', 'answer', 'until_ms', 'stands', 'id')
if known[1] and known[1] ~= ARGV[2] then return { 'reused' } end
if known[2] then return { 'answered', known[2] } end
-- Any number may wait for a job that stands: whoever comes later is answered from it, too.
if known[4] then return { 'mine', known[5] } end
if known[3] and tonumber(known[3]) > now then return { 'busy' } end
redis.call('HSET', key, 'fingerprint', ARGV[2], 'holder', ARGV[4], 'until_ms', now + tonumber(ARGV[5]))
redis.call('HSETNX', key, 'id', ARGV[3])
if known[3] then redis.call('HSET', key, 'overtaken', 1) end
redis.call('PEXPIRE', key, ARGV[6])
return { 'mine', redis.call('HGET', key, 'id') }
