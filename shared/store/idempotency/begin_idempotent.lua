-- Begins a request with an Idempotency-Key, or returns why it must not run.
--   gridpress:idempotency:<scope>  hash  fingerprint; id (reserved for the job or file); holder and until_ms while a
--                                        request runs; stands (1: the job was created); answer (JSON): the response,
--                                        once it exists; overtaken (ms): the time at which this request took over from
--                                        an earlier holder, which may still create the job; refused (1: the request was
--                                        refused, but the earlier holder may still create the job); ends_ms
--   gridpress:idempotency_ends     zset  scopes by ends_ms. The store's own expiry is not used, because it follows the
--                                        wall clock: setting that clock forward would expire all keys
-- Arguments (ARGV):
--   1: scope: tenant, and hash of route and key
--   2: fingerprint of the request
--   3: id to reserve for the job or file
--   4: holder: the random id of this request
--   5: lease (ms)
--   6: time until the key expires (ms)
-- Returns {'mine', reserved id, 1 if no earlier request reserved this id, else 0} when the caller may run the request; {'answered', response} when the response is
-- stored; {'busy'} while another request with the key runs; {'reused'} when the key belongs to a different request.

-- needs: keys, clock
local ENDED_MS = 15 * 60000 -- by then a process has finished any request or was killed
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
-- Once the job was created, any number of requests with the key may run: all of them get their response from the job.
if known[4] then return { 'mine', known[5], 0 } end
if known[3] and tonumber(known[3]) > now then return { 'busy' } end
local ends = now + tonumber(ARGV[6])
redis.call('HSET', key, 'fingerprint', ARGV[2], 'holder', ARGV[4], 'until_ms', now + tonumber(ARGV[5]), 'ends_ms', ends)
local is_new = redis.call('HSETNX', key, 'id', ARGV[3])
if known[3] then redis.call('HSET', key, 'overtaken', now) end
redis.call('PERSIST', key) -- an earlier version used the store's own expiry
redis.call('ZADD', P .. 'idempotency_ends', ends, ARGV[1])
return { 'mine', redis.call('HGET', key, 'id'), is_new }
