-- One heartbeat of a worker: announces it, renews its leases, records progress, and returns the state of each lease.
-- ARGV: queue, worker, slots, revision, announcement ttl (ms), lease ttl (ms), last log lines (JSON) or '',
-- signs (JSON: silence in ms, found, restarts, faults, 1 while it drains), then per render: render, fence, holder, done, total, in step ('1' or '0')
-- Returns one verdict per render: 'renewed', 'cancelled', 'expired' or 'lost'. One lost lease does not affect the others.
local stage, worker, slots, revision, worker_ttl, lease_ttl, log, signs = unpack(ARGV, 1, 8)
local now = now_ms()
feel_pulse(now, tonumber(lease_ttl))
redis.call('ZADD', P .. 'workers:' .. stage, now + tonumber(worker_ttl), worker)
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', P .. 'workers:' .. stage, '-inf', now - 3600000)) do
  redis.call('ZREM', P .. 'workers:' .. stage, gone)
  redis.call('HDEL', P .. 'slots:' .. stage, gone)
  redis.call('HDEL', P .. 'serves:' .. stage, gone)
  redis.call('HDEL', P .. 'signs:' .. stage, gone)
end
redis.call('HSET', P .. 'slots:' .. stage, worker, slots)
redis.call('HSET', P .. 'serves:' .. stage, worker, revision)
redis.call('HSET', P .. 'signs:' .. stage, worker, signs)
if RUNNING[stage] then
  local last = redis.call('HMGET', P .. 'last_worker:' .. stage, 'slots', 'revision')
  if last[1] ~= slots or last[2] ~= revision then
    redis.call('HSET', P .. 'last_worker:' .. stage, 'slots', slots, 'revision', revision)
  end
end
-- Most beats bring the same lines again: the append-only file need not hold them each time.
if log ~= '' and redis.call('GET', P .. 'log:' .. worker) ~= log then redis.call('SET', P .. 'log:' .. worker, log) end
redis.call('EXPIRE', P .. 'log:' .. worker, 3600)
if stage == 'ar' then redis.call('SET', P .. 'revision', revision) end

local verdicts = {}
for i = 9, #ARGV, 6 do
  local render, fence, holder, done, total, in_step = unpack(ARGV, i, i + 5)
  local key = P .. 'render:' .. render
  if is_due(render, now) then expire(render, now) end
  local held = redis.call('HMGET', key, 'state', 'fence', 'holder', 'done', 'job', 'index')
  local is_mine = held[2] == fence and held[3] == holder
  if is_mine and held[1] == RUNNING[stage] then
    redis.call('ZADD', P .. 'leases', now + tonumber(lease_ttl), render)
    redis.call('HSET', key, 'in_step', in_step)
    -- A render that the engine has not admitted yet has no steps to count.
    if held[4] ~= done and tonumber(total) > 0 then
      redis.call('HSET', key, 'done', done, 'total', total)
      append_event(held[5], 'render.progress',
        { index = tonumber(held[6]), stage = stage, done = tonumber(done), total = tonumber(total) })
      announce_progress(held[5], now)
    end
    table.insert(verdicts, 'renewed')
  elseif is_mine and (held[1] == 'cancelled' or held[1] == 'expired') then
    table.insert(verdicts, held[1])
  else
    table.insert(verdicts, 'lost')
  end
end
return verdicts
