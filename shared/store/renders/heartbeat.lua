-- Processes one heartbeat of a worker: announces the worker, extends its leases, records the progress of its renders,
-- and returns the state of each lease.
-- Arguments (ARGV):
--   1 to 4: queue, worker, slots, model revision
--   5: how long the worker counts as live (ms)
--   6: length of the leases (ms)
--   7: the worker's last log lines (JSON), or ''
--   8: health values (JSON list): time for which the worker has asked for no hint although it had a free slot (ms),
--      renders found without a hint, restarts of the Celery consumer, unexpected errors, 1 while the worker drains,
--      name of the device ('' if unknown), mean seconds of a step
--   then for each render: render, fence, holder, finished steps, total steps, in step ('1' if the render is in the
--   running step, else '0')
-- Returns for each render 'renewed', 'cancelled', 'expired', 'lost' or 'due'. A lost lease does not affect the others.
-- 'due' means that the render has reached its time limit and that its lease is not extended: the caller runs expire.lua
-- and this script once more. This script is the most frequent one, and so it does not contain the code for that.

-- needs: keys, clock, deadlines, events, open_places, outbox, pulse, stages

local LOG_KEPT_S = 3600
local stage, worker, slots, revision, worker_ttl, lease_ttl, log, signs = unpack(ARGV, 1, 8)
local now = now_ms()
check_pulse(now, tonumber(lease_ttl))
redis.call('ZADD', P .. 'workers:' .. stage, now + tonumber(worker_ttl), worker)
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', P .. 'workers:' .. stage, '-inf', now - 3600000)) do
  redis.call('ZREM', P .. 'workers:' .. stage, gone)
  redis.call('HDEL', P .. 'slots:' .. stage, gone)
  redis.call('HDEL', P .. 'serves:' .. stage, gone)
  redis.call('HDEL', P .. 'signs:' .. stage, gone)
  redis.call('HDEL', P .. 'device_ms', gone)
  remove_places(stage, gone)
end
-- Most heartbeats tell nothing new about their worker. A value that stands is not written to the append-only file again.
local function store_value(key, value)
  if redis.call('HGET', key, worker) ~= value then redis.call('HSET', key, worker, value) end
end

local function store_text(key, value)
  if redis.call('GET', key) ~= value then redis.call('SET', key, value, 'KEEPTTL') end
end

store_value(P .. 'slots:' .. stage, slots)
store_value(P .. 'serves:' .. stage, revision)
store_value(P .. 'signs:' .. stage, signs)
if RUNNING[stage] then
  keep_places(stage, worker, cjson.decode(signs)[5] == 1, now + tonumber(worker_ttl))
  local last = redis.call('HMGET', P .. 'last_worker:' .. stage, 'slots', 'revision')
  if last[1] ~= slots or last[2] ~= revision then
    redis.call('HSET', P .. 'last_worker:' .. stage, 'slots', slots, 'revision', revision)
  end
end
if log ~= '' then store_text(P .. 'log:' .. worker, log) end
-- A log that exists always has a time at which it expires, at least LOG_KEPT_S after the worker's last heartbeat.
local log_ends_s = redis.call('TTL', P .. 'log:' .. worker)
if log_ends_s ~= -2 and log_ends_s < LOG_KEPT_S then redis.call('EXPIRE', P .. 'log:' .. worker, 2 * LOG_KEPT_S) end
if stage == 'ar' then store_text(P .. 'revision', revision) end

-- Records the progress of a render. A render that the engine has not admitted yet has no steps to count.
local function record_progress(render, held, done, total)
  if held[4] == done or tonumber(total) == 0 then return end
  redis.call('HSET', P .. 'render:' .. render, 'done', done, 'total', total)
  append_event(held[5], 'render.progress',
    { index = tonumber(held[6]), stage = stage, done = tonumber(done), total = tonumber(total) })
  emit_job_progress(held[5], now)
end

-- Runs `work` and logs an error of it. Otherwise the broken records of one render would end all leases of the worker.
local function try(render, work, ...)
  local is_done, why = pcall(work, render, ...)
  if is_done then return end
  redis.call('HINCRBY', P .. 'fault_counts', 'beat', 1)
  redis.log(redis.LOG_WARNING, 'gridpress: a heartbeat of ' .. worker .. ' found a broken record of ' .. render .. ': '
    .. tostring(type(why) == 'table' and why.err or why))
end

local verdicts = {}
for i = 9, #ARGV, 6 do
  local render, fence, holder, done, total, in_step = unpack(ARGV, i, i + 5)
  local key = P .. 'render:' .. render
  local held = redis.pcall('HMGET', key, 'state', 'fence', 'holder', 'done', 'job', 'index', 'in_step')
  local is_mine = held[2] == fence and held[3] == holder
  if is_mine and held[1] == RUNNING[stage] and is_due(render, now) then
    table.insert(verdicts, 'due')
  elseif is_mine and held[1] == RUNNING[stage] then
    redis.call('ZADD', P .. 'leases', now + tonumber(lease_ttl), render)
    if held[7] ~= in_step then redis.call('HSET', key, 'in_step', in_step) end
    try(render, record_progress, held, done, total)
    table.insert(verdicts, 'renewed')
  elseif is_mine and (held[1] == 'cancelled' or held[1] == 'expired') then
    table.insert(verdicts, held[1])
  else
    table.insert(verdicts, 'lost')
  end
end
return verdicts
