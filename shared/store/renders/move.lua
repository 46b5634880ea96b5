-- A function that moves a render to another state, with all consequences for the render's lane, lease, tenant and job.
-- No other code changes the state of a render.

-- needs: states, keys, device_time, end_job, events, lanes, outbox, settle, shares, stages, status, suspicion, tenant_load

-- Ends the handover of a render. The saved latents are no longer needed: upkeep deletes the object at its next tick.
local function end_handover(render, now)
  local key = P .. 'render:' .. render
  local object = redis.call('HGET', key, 'handover')
  if not object then return end
  redis.call('ZADD', P .. 'handovers', 'XX', now, object)
  redis.call('HDEL', key, 'handover', 'handover_facts')
end

-- Returns the place in which a render ended: the stage in which it is or for which it waits, or 'before_start'.
local function place_of_end(state, started)
  return (WAITS[state] and not started) and 'before_start' or WAITS[state] or RUNS[state]
end

-- Changes a render's state with all consequences. The caller has checked ARROWS[from][to]. Returns 1 when this ended
-- the job.
local function move(render, from, to, now)
  local key = P .. 'render:' .. render
  local ids = redis.call('HMGET', key, 'job', 'index', 'worker', 'started_ms')
  local job_key = P .. 'job:' .. ids[1]
  local job = redis.call('HMGET', job_key, 'tenant', 'lane', 'rank', 'status', 'ar_cost', 'dit_cost')
  if RUNS[from] then give_device_time(RUNS[from], ids[3], now) end
  local is_retry = RUNS[from] ~= nil and RUNS[from] == WAITS[to]
  redis.call('HSET', key, 'state', to)
  local load_before, load_after = load_of(from, ids[4]), load_of(to, ids[4])
  if load_before ~= load_after then
    count_load(job[1], from, ids[4], -1)
    count_load(job[1], to, ids[4], 1)
    if load_before == 'running' then unpark(job[1]) end
  end
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
  if to == 'prior_ready' and from == 'prior_running' then clear_suspicion(render) end
  if WAITS[to] then
    redis.call('HDEL', key, 'done', 'total')
    enqueue(render, WAITS[to], job[2], job[3])
  end
  append_event(ids[1], 'render.stage', { index = tonumber(ids[2]), state = to })
  if RUNS[to] and job[4] == 'queued' then
    set_status(ids[1], job[1], 'queued', 'running')
    redis.call('HSET', job_key, 'started_ms', now)
    emit_message(job[1], message_of(ids[1], 'job.started'), 'job.started', ids[1], now, '')
  end
  if not FINAL[to] then return 0 end
  if to ~= 'succeeded' then redis.call('HSET', key, 'ended_in', place_of_end(from, ids[4])) end
  redis.call('ZREM', P .. 'deadlines', render)
  end_handover(render, now)
  -- A render without a picture keeps its token grid, from which a retry may start. A dead letter also keeps its crash
  -- evidence.
  if to == 'succeeded' then settle_render(render) else redis.call('HDEL', key, 'done', 'total') end
  if redis.call('HEXISTS', key, 'dead_stage') == 0 then clear_suspicion(render) end
  redis.call('HINCRBY', job_key, 'num_' .. to, 1)
  if redis.call('HINCRBY', job_key, 'left', -1) > 0 then return 0 end
  end_job(ids[1], job[1], job[4], now)
  return 1
end
