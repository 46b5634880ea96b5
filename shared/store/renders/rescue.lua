-- Recovers renders whose lease has expired: they wait again for the stage that was interrupted. If the worker died,
-- blame.lua decides which renders may have crashed it.
-- ARGV: maximum number of renders, number of strikes (crashes blamed on one render) with which a render fails as poison
-- (see blame.lua).
-- Returns {number of renders that wait again, number of renders that failed}. After an outage of the store no lease
-- counts as expired for one lease length (see pulse.lua), so the script returns {0, 0}.

-- needs: keys, clock, blame, due, pulse, stages, workers

local most, most_strikes = unpack(ARGV)
local now = now_ms()
-- Without any heartbeat there is no live worker whose lease a pause of the store could have ended.
local ttl = redis.call('HGET', P .. 'pulse', 'ttl_ms')
if ttl and not check_pulse(now, tonumber(ttl)) then return { 0, 0 } end
local rescued, failed = 0, 0

-- Recovers one render with an expired lease. If its worker died, all renders of that worker are recovered.
local function recover(render)
  local known = redis.call('HMGET', P .. 'render:' .. render, 'state', 'worker')
  local stage = known[1] and RUNS[known[1]]
  if not stage then
    redis.call('ZREM', P .. 'leases', render)
  elseif is_alive(known[2], stage, now) or not redis.call('ZSCORE', P .. 'workers:' .. stage, known[2]) then
    -- A live worker has lost track of this render, or a worker that left in order could not hand it back. Neither is a
    -- crash.
    requeue_render(render, known[1], now)
    rescued = rescued + 1
  else
    local sent_back, condemned = recover_dead_worker(known[2], stage, tonumber(most_strikes), now)
    rescued, failed = rescued + sent_back, failed + condemned
  end
end

-- Removes a broken render from its worker, so that `recover_dead_worker` can requeue the worker's other renders.
local function release_render(render)
  local worker = redis.call('HGET', P .. 'render:' .. render, 'worker')
  if worker then redis.call('SREM', P .. 'held:' .. worker, render) end
end

each_due(P .. 'leases', now, most, recover, release_render)
return { rescued, failed }
