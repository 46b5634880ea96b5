-- Processes one heartbeat of a worker: announces the worker, extends its leases, records the progress of its renders,
-- and returns the state of each lease.
-- Most heartbeats are short: they leave out what the worker said before. This script is the most frequent one, so a short
-- heartbeat runs few commands.
-- Arguments (ARGV):
--   1 to 4: queue, worker, slots, model revision; slots and revision are '' in a short heartbeat
--   5: how long the worker counts as live (ms)
--   6: length of the leases (ms)
--   7: the worker's last log lines (JSON), or '' if the store has them
--   8: health values (JSON list): time for which the worker has asked for no hint although it had a free slot (ms),
--      renders found without a hint, restarts of the Celery consumer, unexpected errors, 1 while the worker drains,
--      name of the device ('' if unknown), mean seconds of a step; '' in a short heartbeat
--   9: name of the model, or '' if the worker serves none or the heartbeat is short
--   10: size classes that the worker can render (sizes.lua); '' in a short heartbeat, and for queues that are no stage
--   then for each render: render, fence, holder, finished steps, total steps, in step ('1' if the render is in the
--   running step, else '0')
-- Returns for each render 'renewed', 'cancelled', 'expired', 'lost' or 'due'. A lost lease does not affect the others.
-- 'due' means that the render has reached its time limit and that its lease is not extended: the caller runs expire.lua
-- and this script once more. While an operator drains the worker, 'drain' follows at the end.
-- Returns {'unknown'} for a short heartbeat of a worker that the store does not know. The caller then sends all.

-- needs: keys, activity, announcement, clock, deadlines, open_places, outbox, pulse, stages
-- seldom: announce_worker, close_places, send_job_progress, shorten_leases

local LOG_KEPT_S = 7200 -- a worker sends its log again every half an hour
local FIRST, NUM_EACH = 11, 6 -- arguments of the first render, and of each
local stage, worker, slots, revision, worker_ttl, lease_ttl, log, signs, model, sizes = unpack(ARGV, 1, 10)
local is_short, key_of_workers = slots == '', P .. 'workers:' .. stage
local now = now_ms()
check_pulse(now, tonumber(lease_ttl))
local is_new = redis.call('ZADD', key_of_workers, now + tonumber(worker_ttl), worker) == 1
if is_short and is_new then
  redis.call('ZREM', key_of_workers, worker)
  return { 'unknown' }
end

if not is_short then announce_worker(stage, worker, slots, revision, signs, model, sizes, now) end
-- A worker that drains said so in a heartbeat that was not short. It is no longer open then.
if RUNNING[stage] then
  keep_places(stage, worker, not is_short and cjson.decode(signs)[5] == 1, now + tonumber(worker_ttl))
end
if log ~= '' then redis.call('SET', P .. 'log:' .. worker, log, 'EX', LOG_KEPT_S) end

-- Records the progress of a render. A render that the engine has not admitted yet has no steps to count. Readers read
-- progress from the render's hash; the message only wakes them.
local function record_progress(render, held, done, total)
  if held[4] == done or tonumber(total) == 0 then return end
  redis.call('HSET', P .. 'render:' .. render, 'done', done, 'total', total)
  redis.call('PUBLISH', P .. 'events:' .. held[5], 'render.progress')
  local tenant = emit_job_progress(held[5], now)
  if not tenant or not is_followed(tenant) then return end
  append_activity(held[5], 'render.progress',
    { index = tonumber(held[7]), stage = stage, done = tonumber(done), total = tonumber(total) }, tenant)
end

-- Runs `work` and logs an error of it. Otherwise the broken records of one render would end all leases of the worker.
local function try(render, work, ...)
  local is_done, why = pcall(work, render, ...)
  if is_done then return end
  redis.call('HINCRBY', P .. 'fault_counts', 'beat', 1)
  redis.log(redis.LOG_WARNING, 'gridpress: a heartbeat of ' .. worker .. ' found a broken record of ' .. render .. ': '
    .. tostring(type(why) == 'table' and why.err or why))
end

-- Returns for each render the time at which it expires, or false. It reads nothing while no render at all is due.
local function ends_of_renders()
  if not is_any_due(now) then return {} end
  local renders = {}
  for i = FIRST, #ARGV, NUM_EACH do table.insert(renders, ARGV[i]) end
  return #renders > 0 and redis.call('ZMSCORE', P .. 'deadlines', unpack(renders)) or {}
end

local ends, verdicts, leases = ends_of_renders(), {}, {}
for i = FIRST, #ARGV, NUM_EACH do
  local render, fence, holder, done, total, in_step = unpack(ARGV, i, i + NUM_EACH - 1)
  local key, ends_at = P .. 'render:' .. render, ends[#verdicts + 1]
  local held = redis.pcall('HMGET', key, 'state', 'fence', 'holder', 'done', 'job', 'in_step', 'index')
  local is_mine = held[2] == fence and held[3] == holder
  if is_mine and held[1] == RUNNING[stage] and ends_at and tonumber(ends_at) <= now then
    table.insert(verdicts, 'due')
  elseif is_mine and held[1] == RUNNING[stage] then
    table.insert(leases, now + tonumber(lease_ttl))
    table.insert(leases, render)
    if held[6] ~= in_step then redis.call('HSET', key, 'in_step', in_step) end
    try(render, record_progress, held, done, total)
    table.insert(verdicts, 'renewed')
  elseif is_mine and (held[1] == 'cancelled' or held[1] == 'expired') then
    table.insert(verdicts, held[1])
  else
    table.insert(verdicts, 'lost')
  end
end
if #leases > 0 then redis.call('ZADD', P .. 'leases', unpack(leases)) end
if redis.call('HEXISTS', P .. 'paused', 'worker:' .. worker) == 1 then table.insert(verdicts, 'drain') end
return verdicts
