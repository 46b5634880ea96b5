-- Functions that every script may use: lanes, loads, events, and the only function that changes a render's state.

local WAITS = { queued = 'ar', prior_ready = 'dit' }
local RUNS = { prior_running = 'ar', decode_running = 'dit' }
local WAITING = { ar = 'queued', dit = 'prior_ready' }
local RUNNING = { ar = 'prior_running', dit = 'decode_running' }
-- What a render counts as in its tenant's load; a final one counts no more.
local LOAD = { queued = 'queued', prior_running = 'running', prior_ready = 'running', decode_running = 'running' }

-- What waits for the DiT without having been begun is a re-render: it still has to keep to `concurrent_renders`.
local function load_of(state, is_begun)
  return (state == 'prior_ready' and not is_begun) and 'queued' or LOAD[state]
end

local function count_load(tenant, state, is_begun, by)
  local load = load_of(state, is_begun)
  if load then redis.call('HINCRBY', P .. 'load:' .. tenant, load, by) end
end

-- The message is a hint to look (shared/store/watch.py); what happened stands in the stream.
local function append_event(job, type, data)
  local key = P .. 'events:' .. job
  redis.call('XADD', key, 'MAXLEN', '~', 1000, '*', 'type', type, 'data', cjson.encode(data))
  redis.call('PUBLISH', key, type)
end

-- Nobody follows the steps of a job that is over, and its stream is kept for days.
local function trim_events(job)
  local FEW = 100
  local key, steps = P .. 'events:' .. job, {}
  if redis.call('XLEN', key) <= FEW then return end
  for _, entry in ipairs(redis.call('XRANGE', key, '-', '+')) do
    if entry[2][2] == 'render.progress' then table.insert(steps, entry[1]) end
  end
  for i = 1, #steps, FEW do redis.call('XDEL', key, unpack(steps, i, math.min(#steps, i + FEW - 1))) end
end

local function set_status(job, tenant, from, to)
  redis.call('HSET', P .. 'job:' .. job, 'status', to)
  redis.call('ZREM', P .. 'jobs:' .. tenant .. ':' .. from, job)
  redis.call('ZADD', P .. 'jobs:' .. tenant .. ':' .. to, 0, job)
end

-- What one crash after the other says against a render; finishing a stage wipes it out.
local SUSPICION = { 'best', 'strikes', 'group' }

-- Re-renders that are not begun have a lane of their own: those behind them that are begun must not wait for a limit.
local function lane_in(stage, lane, is_begun)
  return (stage == 'dit' and not is_begun) and lane .. '|again' or lane
end

-- Keeps the total of what waits in a lane: its cost in this stage and, while it waits for AR, in the DiT afterwards. And
-- the number of renders that AR has made and the DiT has not taken, by class and model revision.
local function weigh(stage, lane, job, sign)
  local costs = redis.call('HMGET', P .. 'job:' .. job, 'ar_cost', 'dit_cost')
  local function add(total, cost)
    local key = P .. 'cost:' .. total
    if redis.call('HINCRBY', key, lane, sign * tonumber(cost or 0)) == 0 then redis.call('HDEL', key, lane) end
  end
  add(stage, costs[stage == 'ar' and 1 or 2])
  if stage == 'ar' then add('dit_later', costs[2]) end
  local class, revision = string.match(lane, '^([^|]*)|[^|]*|([^|]*)$')
  if stage == 'dit' and class then redis.call('HINCRBY', P .. 'ahead', class .. '|' .. revision, sign) end
end

local function enqueue(render, stage, lane, rank)
  local known = redis.call('HMGET', P .. 'render:' .. render, 'group', 'started_ms', 'job')
  local key, place_in = P .. 'quarantine:' .. stage, lane_in(stage, lane, known[2])
  if not known[1] then
    redis.call('SADD', P .. 'lanes:' .. stage, place_in)
    key = P .. 'waiting:' .. stage .. ':' .. place_in
    join_pool(pool_of(stage, lane))
  end
  if redis.call('ZADD', key, rank, render) == 1 then weigh(stage, place_in, known[3], 1) end
end

-- Returns whether it waited.
local function dequeue(render, stage, lane, is_begun, job)
  local place_in = lane_in(stage, lane, is_begun)
  local key = P .. 'waiting:' .. stage .. ':' .. place_in
  local removed = redis.call('ZREM', key, render) + redis.call('ZREM', P .. 'quarantine:' .. stage, render)
  if redis.call('EXISTS', key) == 0 then redis.call('SREM', P .. 'lanes:' .. stage, place_in) end
  if removed > 0 then weigh(stage, place_in, job, -1) end
  return removed > 0
end

-- succeeded if all succeeded, else cancelled or expired if any was, else failed
local function final_status(job_key)
  local ends = redis.call('HMGET', job_key, 'n', 'num_succeeded', 'num_cancelled', 'num_expired')
  if ends[2] == ends[1] then return 'succeeded' end
  if ends[3] then return 'cancelled' end
  if ends[4] then return 'expired' end
  return 'failed'
end

-- A job that was given another life ends again, and its receivers must hear of it: ids derive from the life, too.
local function end_message_of(job, status)
  return message_of(job, 'job.' .. status, redis.call('HGET', P .. 'job:' .. job, 'revivals'))
end

-- What is still to be delivered of a job's end is taken back.
local function take_back_end(job, status)
  redis.call('ZREM', P .. 'manifests', job)
  redis.call('HDEL', P .. 'job:' .. job, 'manifest_holder', 'manifest_attempts', 'manifest_error')
  withdraw(end_message_of(job, status))
end

local function enhancements_of(job)
  return P .. 'enhancements:' .. string.match(redis.call('HGET', P .. 'job:' .. job, 'lane'), '^[^|]*')
end

-- `text` is the revised prompt, or the error (JSON). Whoever comes later finds that it is decided.
local function decide_enhancement(job, status, text)
  local has_succeeded = status == 'succeeded'
  redis.call('HSET', P .. 'job:' .. job, 'enhancement', status,
    has_succeeded and 'revised_prompt' or 'enhancement_error', text)
  redis.call('ZREM', enhancements_of(job), job)
  append_event(job, 'job.enhanced', { status = status, revised_prompt = has_succeeded and text or cjson.null,
    error = has_succeeded and cjson.null or cjson.decode(text) })
end

local JOB_ENDED = '{"code": "job_ended", "message": "the job ended before its prompt was enhanced"}'

-- How a line of a batch ends with its job (shared/batches.py).
local LINE_ENDS = { succeeded = 's', failed = 'f', cancelled = 'c', expired = 'x' }
local STORED_WITHIN_MS = 2000 -- results wait for company no longer than this

-- The message is a hint to look, as for a job.
local function tell_of_batch(batch)
  redis.call('PUBLISH', P .. 'events:' .. batch, '')
end

-- There is a result to store, and maybe room for another line.
local function stir_batch(batch, now)
  local known = redis.call('HMGET', P .. 'batch:' .. batch, 'holder', 'renders', 'target')
  if known[1] then return end -- whoever is at it looks again before it rests
  local is_short = 2 * tonumber(known[2]) < tonumber(known[3] or 0)
  redis.call('ZADD', P .. 'batch_work', 'XX', 'LT', is_short and now or now + STORED_WITHIN_MS, batch)
end

-- Counts once, whatever other lives its job may have. Returns whether the job is a line of a batch.
local function end_line(job, status, now)
  local known = redis.call('HMGET', P .. 'job:' .. job, 'batch', 'line', 'n')
  if not known[1] then return false end
  local key, lines = P .. 'batch:' .. known[1], P .. 'batch_lines:' .. known[1]
  if redis.call('GETRANGE', lines, known[2], known[2]) ~= 'o' then return true end
  redis.call('SETRANGE', lines, known[2], LINE_ENDS[status])
  redis.call('RPUSH', P .. 'batch_ended:' .. known[1], job)
  redis.call('HINCRBY', key, 'open', -1)
  redis.call('HINCRBY', key, 'renders', -known[3])
  redis.call('HINCRBY', key, status == 'succeeded' and 'completed' or 'failed', 1)
  stir_batch(known[1], now)
  tell_of_batch(known[1])
  return true
end

-- The last render is final: the job is, and whoever wants to hear of it will.
local function end_job(job, tenant, from, now)
  local key = P .. 'job:' .. job
  local status = final_status(key)
  set_status(job, tenant, from, status)
  redis.call('HSET', key, 'finished_ms', now)
  if redis.call('HGET', key, 'enhancement') == 'pending' then decide_enhancement(job, 'failed', JOB_ENDED) end
  redis.call('ZADD', P .. 'finished', now, job)
  trim_events(job)
  append_event(job, 'job.' .. status, { status = status })
  -- What a batch comes to is told by its own files and messages.
  if not end_line(job, status, now) then redis.call('ZADD', P .. 'manifests', now, job) end
  announce(tenant, end_message_of(job, status), 'job.' .. status, job, now, '')
end

local function absolve(render)
  redis.call('HDEL', P .. 'render:' .. render, unpack(SUSPICION))
  redis.call('DEL', P .. 'crashes:' .. render)
end

-- Latents that a drained worker stored are of no more use: upkeep deletes the object at its next tick.
local function end_handover(render, now)
  local key = P .. 'render:' .. render
  local object = redis.call('HGET', key, 'handover')
  if not object then return end
  redis.call('ZADD', P .. 'handovers', 'XX', now, object)
  redis.call('HDEL', key, 'handover', 'handover_facts')
end

-- Where a render is, for those who ask where it ended: in the stage that it is in or waits for, or not begun.
local function place(state, started)
  return (WAITS[state] and not started) and 'before_start' or WAITS[state] or RUNS[state]
end

-- Moves a render along one arrow with all its consequences. The caller has checked ARROWS[from][to].
-- Returns 1 when this ended the job.
local function move(render, from, to, now)
  local key = P .. 'render:' .. render
  local ids = redis.call('HMGET', key, 'job', 'index', 'worker', 'started_ms')
  local job_key = P .. 'job:' .. ids[1]
  local job = redis.call('HMGET', job_key, 'tenant', 'lane', 'rank', 'status', 'ar_cost', 'dit_cost')
  if RUNS[from] then give_device_time(RUNS[from], ids[3], now) end
  local is_retry = RUNS[from] ~= nil and RUNS[from] == WAITS[to]
  redis.call('HSET', key, 'state', to)
  count_load(job[1], from, ids[4], -1)
  count_load(job[1], to, ids[4], 1)
  if load_of(from, ids[4]) == 'running' and load_of(to, ids[4]) ~= 'running' then unpark(job[1]) end
  if is_retry then
    local pool, tenant = pool_of(WAITS[to], job[2])
    refund(pool, tenant, tonumber(job[to == WAITING.ar and 5 or 6]))
  else
    redis.call('HSET', key, (FINAL[to] and 'finished' or to) .. '_ms', now)
  end
  if WAITS[from] then dequeue(render, WAITS[from], job[2], ids[4], ids[1]) end
  if RUNS[from] then
    redis.call('ZREM', P .. 'leases', render)
    redis.call('SREM', P .. 'held:' .. ids[3], render)
  end
  if to == 'prior_ready' and from == 'prior_running' then absolve(render) end
  if WAITS[to] then
    redis.call('HDEL', key, 'done', 'total')
    enqueue(render, WAITS[to], job[2], job[3])
  end
  append_event(ids[1], 'render.stage', { index = tonumber(ids[2]), state = to })
  if RUNS[to] and job[4] == 'queued' then
    set_status(ids[1], job[1], 'queued', 'running')
    redis.call('HSET', job_key, 'started_ms', now)
    announce(job[1], message_of(ids[1], 'job.started'), 'job.started', ids[1], now, '')
  end
  if not FINAL[to] then return 0 end
  if to ~= 'succeeded' then redis.call('HSET', key, 'ended_in', place(from, ids[4])) end
  redis.call('ZREM', P .. 'deadlines', render)
  redis.call('HDEL', key, 'done', 'total')
  end_handover(render, now)
  -- Without a picture it keeps what another life would start from; a dead letter keeps its evidence, too.
  if to == 'succeeded' then redis.call('HDEL', key, 'prior') end
  if redis.call('HEXISTS', key, 'dead_stage') == 0 then absolve(render) end
  redis.call('HINCRBY', job_key, 'num_' .. to, 1)
  if redis.call('HINCRBY', job_key, 'left', -1) > 0 then return 0 end
  end_job(ids[1], job[1], job[4], now)
  return 1
end

-- Live announcements only; a dead worker's slots stop counting when its announcement ends.
local function live_slots(stage, now)
  local slots = 0
  for _, worker in ipairs(redis.call('ZRANGEBYSCORE', P .. 'workers:' .. stage, '(' .. now, '+inf')) do
    slots = slots + tonumber(redis.call('HGET', P .. 'slots:' .. stage, worker) or 0)
  end
  return slots
end

local function is_alive(worker, stage, now)
  local ends_at = redis.call('ZSCORE', P .. 'workers:' .. stage, worker)
  return ends_at ~= false and tonumber(ends_at) > now
end

local function num_waiting(stage)
  local total = redis.call('ZCARD', P .. 'quarantine:' .. stage)
  for _, lane in ipairs(redis.call('SMEMBERS', P .. 'lanes:' .. stage)) do
    total = total + redis.call('ZCARD', P .. 'waiting:' .. stage .. ':' .. lane)
  end
  return total
end
