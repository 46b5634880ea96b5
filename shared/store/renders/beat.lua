-- One heartbeat of a worker: announces it, renews its leases, records progress, and returns the state of each lease.
-- ARGV: queue, worker, slots, revision, announcement ttl (ms), lease ttl (ms), last log lines (JSON) or '',
-- signs (JSON: silence in ms, found, restarts, faults, 1 while it drains), then per render: render, fence, holder, done, total, in step ('1' or '0')
-- Returns one verdict per render: 'renewed', 'cancelled', 'expired' or 'lost'. One lost lease does not affect the others.
-- needs: keys, steady, deadlines, events, open_places, outbox, pulse, stages
local stage, worker, slots, revision, worker_ttl, lease_ttl, log, signs = unpack(ARGV, 1, 8)
local now = now_ms()
feel_pulse(now, tonumber(lease_ttl))
redis.call('ZADD', P .. 'workers:' .. stage, now + tonumber(worker_ttl), worker)
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', P .. 'workers:' .. stage, '-inf', now - 3600000)) do
  redis.call('ZREM', P .. 'workers:' .. stage, gone)
  redis.call('HDEL', P .. 'slots:' .. stage, gone)
  redis.call('HDEL', P .. 'serves:' .. stage, gone)
  redis.call('HDEL', P .. 'signs:' .. stage, gone)
  redis.call('HDEL', P .. 'device_ms', gone)
  forget_places(stage, gone)
end
redis.call('HSET', P .. 'slots:' .. stage, worker, slots)
redis.call('HSET', P .. 'serves:' .. stage, worker, revision)
redis.call('HSET', P .. 'signs:' .. stage, worker, signs)
if RUNNING[stage] then
  keep_places(stage, worker, cjson.decode(signs)[5] == 1, now + tonumber(worker_ttl))
  local last = redis.call('HMGET', P .. 'last_worker:' .. stage, 'slots', 'revision')
  if last[1] ~= slots or last[2] ~= revision then
    redis.call('HSET', P .. 'last_worker:' .. stage, 'slots', slots, 'revision', revision)
  end
end
-- Most beats bring the same lines again: the append-only file need not hold them each time.
if log ~= '' and redis.call('GET', P .. 'log:' .. worker) ~= log then redis.call('SET', P .. 'log:' .. worker, log) end
redis.call('EXPIRE', P .. 'log:' .. worker, 3600)
if stage == 'ar' then redis.call('SET', P .. 'revision', revision) end

-- A render that the engine has not admitted yet has no steps to count.
local function note_progress(render, held, done, total)
  if held[4] == done or tonumber(total) == 0 then return end
  redis.call('HSET', P .. 'render:' .. render, 'done', done, 'total', total)
  append_event(held[5], 'render.progress',
    { index = tonumber(held[6]), stage = stage, done = tonumber(done), total = tonumber(total) })
  announce_progress(held[5], now)
end

-- Broken records of one render cost it its lease or its progress, and not the worker all of its leases.
local function try(render, work, ...)
  local is_done, why = pcall(work, render, ...)
  if is_done then return end
  redis.call('HINCRBY', P .. 'fault_counts', 'beat', 1)
  redis.log(redis.LOG_WARNING, 'gridpress: a beat of ' .. worker .. ' met a broken record of ' .. render .. ': '
    .. tostring(type(why) == 'table' and why.err or why))
end

local verdicts = {}
for i = 9, #ARGV, 6 do
  local render, fence, holder, done, total, in_step = unpack(ARGV, i, i + 5)
  local key = P .. 'render:' .. render
  if is_due(render, now) then try(render, expire, now) end
  local held = redis.pcall('HMGET', key, 'state', 'fence', 'holder', 'done', 'job', 'index')
  local is_mine = held[2] == fence and held[3] == holder
  if is_mine and held[1] == RUNNING[stage] then
    redis.call('ZADD', P .. 'leases', now + tonumber(lease_ttl), render)
    redis.call('HSET', key, 'in_step', in_step)
    try(render, note_progress, held, done, total)
    table.insert(verdicts, 'renewed')
  elseif is_mine and (held[1] == 'cancelled' or held[1] == 'expired') then
    table.insert(verdicts, held[1])
  else
    table.insert(verdicts, 'lost')
  end
end
return verdicts
