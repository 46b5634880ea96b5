-- Takes renders back whose lease ended, to the last finished stage. Where the worker died it decides who is to blame.
-- ARGV: most renders at once, strikes that make a poison
-- Returns {number sent back, number failed}; nothing for one lease length after the store stood still (see pulse.lua).
-- needs: keys, steady, blame, due, pulse, stages, workers
local most, most_strikes = unpack(ARGV)
local now = now_ms()
-- Without a beat there is no live worker that a missed pulse could have kept from renewing.
local ttl = redis.call('HGET', P .. 'pulse', 'ttl_ms')
if ttl and not feel_pulse(now, tonumber(ttl)) then return { 0, 0 } end
local rescued, failed = 0, 0

local function take_back(render)
  local known = redis.call('HMGET', P .. 'render:' .. render, 'state', 'worker')
  local stage = known[1] and RUNS[known[1]]
  if not stage then
    redis.call('ZREM', P .. 'leases', render)
  elseif is_alive(known[2], stage, now) or not redis.call('ZSCORE', P .. 'workers:' .. stage, known[2]) then
    -- A worker that lives forgot this one; one that left in peace could not hand it back. Neither is a crash.
    send_back(render, known[1], now)
    rescued = rescued + 1
  else
    local sent_back, condemned = blame(known[2], stage, tonumber(most_strikes), now)
    rescued, failed = rescued + sent_back, failed + condemned
  end
end

-- A broken render must not stop `blame` from sending back what its worker held besides.
local function let_go(render)
  local worker = redis.call('HGET', P .. 'render:' .. render, 'worker')
  if worker then redis.call('SREM', P .. 'held:' .. worker, render) end
end

each_due(P .. 'leases', now, most, take_back, let_go)
return { rescued, failed }
