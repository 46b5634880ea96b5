-- Functions that move a render to another state, with all consequences for the render's lane, lease, tenant and job.
-- No other code changes the state of a render. Each writes the fields that its caller has for the render in the same
-- command: `more` is a list of names and values in turn.

-- needs: states, keys, checks, device_time, end_job, events, lanes, outbox, settle, shares, stages, status, suspicion
-- needs: tenant_load

-- Returns what a move needs of a render's record.
local function render_record(render)
  local found = redis.call('HMGET', P .. 'render:' .. render, 'job', 'index', 'state', 'fence', 'holder', 'worker',
    'started_ms', 'prior_running_ms', 'decode_running_ms', 'device_ms', 'done', 'group', 'best', 'handover',
    'dead_stage', 'text', 'first_seed')
  return { job = found[1], index = found[2], state = found[3], fence = found[4], holder = found[5], worker = found[6],
    started_ms = found[7], prior_running_ms = found[8], decode_running_ms = found[9], device_ms = found[10],
    done = found[11], group = found[12], best = found[13], handover = found[14], dead_stage = found[15],
    text = found[16], first_seed = found[17] }
end

-- Returns what a move needs of a job's record.
local function job_of_move(job)
  local found = redis.call('HMGET', P .. 'job:' .. job, 'tenant', 'lane', 'rank', 'status', 'ar_cost', 'dit_cost', 'left')
  return { tenant = found[1], lane = found[2], rank = found[3], status = found[4], ar_cost = found[5],
    dit_cost = found[6], left = found[7] }
end

-- Ends the handover of a render. The saved latents are no longer needed: upkeep deletes the object at its next tick.
local function end_handover(render, object, now)
  if not object then return end
  redis.call('ZADD', P .. 'handovers', 'XX', now, object)
  redis.call('HDEL', P .. 'render:' .. render, 'handover', 'handover_facts')
end

-- Returns the place in which a render ended: the stage in which it is or for which it waits, or 'before_start'. A render
-- whose picture is checked is in the DiT.
local function place_of_end(state, started)
  return (WAITS[state] and not started) and 'before_start' or WAITS[state] or RUNS[state] or 'dit'
end

-- Moves a render between the counts of its tenant. A tenant at its limit may then begin another render.
local function move_load(tenant, from, to, is_begun)
  local before, after = load_of(from, is_begun), load_of(to, is_begun)
  if before == after then return end
  count_load(tenant, from, is_begun, -1)
  count_load(tenant, to, is_begun, 1)
  if before == 'running' then unpark(tenant) end
end

-- Changes the state of a render, and takes it out of its lane or ends its lease. A render that waits again for the stage
-- in which it ran keeps the time at which it began to wait, and its tenant gets back what it paid.
local function change_state(render, from, to, past, job, now, more)
  if RUNS[from] then give_device_time(RUNS[from], past.worker, now, render) end
  local is_retry, num = RUNS[from] ~= nil and RUNS[from] == WAITS[to], #more
  more[num + 1], more[num + 2] = 'state', to
  if not is_retry then more[num + 3], more[num + 4] = (FINAL[to] and 'finished' or to) .. '_ms', now end
  redis.call('HSET', P .. 'render:' .. render, unpack(more))
  move_load(job.tenant, from, to, past.started_ms)
  if is_retry then
    local pool, tenant = pool_of(WAITS[to], job.lane)
    refund(pool, tenant, tonumber(job[WAITS[to] .. '_cost']))
  end
  if WAITS[from] then dequeue(render, WAITS[from], job, past.started_ms) end
  if RUNS[from] then
    redis.call('ZREM', P .. 'leases', render)
    redis.call('SREM', P .. 'held:' .. past.worker, render)
  end
end

-- Moves a waiting render to a worker that leases it. `more_of_job` is to the job what `more` is to the render.
local function begin(render, stage, past, job, now, more, more_of_job)
  local to = RUNNING[stage]
  change_state(render, WAITING[stage], to, past, job, now, more)
  append_event(past.job, 'render.stage', { index = tonumber(past.index), state = to }, job.tenant)
  if job.status == 'queued' then
    local num = #more_of_job
    more_of_job[num + 1], more_of_job[num + 2] = 'started_ms', now
    set_status(past.job, job.tenant, 'queued', 'running', more_of_job)
    emit_message(job.tenant, message_of(past.job, 'job.started'), 'job.started', past.job, now, '', job)
  elseif #more_of_job > 0 then
    redis.call('HSET', P .. 'job:' .. past.job, unpack(more_of_job))
  end
end

-- Moves a render to a state in which it waits for a stage.
local function wait_for(render, from, to, past, job, now, more)
  change_state(render, from, to, past, job, now, more)
  if to == 'prior_ready' and from == 'prior_running' and past.best then
    clear_suspicion(render)
    past.group = false
  end
  if past.done then redis.call('HDEL', P .. 'render:' .. render, 'done', 'total') end
  enqueue(render, WAITS[to], job, past.started_ms, past.group)
  append_event(past.job, 'render.stage', { index = tonumber(past.index), state = to }, job.tenant)
end

-- Moves a render whose picture is stored to the state in which the picture waits for a check: of its text if the job
-- has a text check, else of its content. `more` has the field `unchecked`. Until the checks end, nobody can read it.
local function await_check(render, from, to, past, job, now, more)
  change_state(render, from, to, past, job, now, more)
  end_handover(render, past.handover, now)
  if past.best then clear_suspicion(render) end
  if past.done then redis.call('HDEL', P .. 'render:' .. render, 'done', 'total') end
  local has_text = redis.call('HEXISTS', P .. 'job:' .. past.job, 'text_check') == 1
  redis.call('ZADD', (has_text and texts_of or checks_of)(job.lane), now, render)
  append_event(past.job, 'render.stage', { index = tonumber(past.index), state = to }, job.tenant)
end

-- Moves a render to a final state. Returns whether this ended the job.
local function finish(render, from, to, past, job, now, more)
  local key, num = P .. 'render:' .. render, #more
  if to ~= 'succeeded' then more[num + 1], more[num + 2] = 'ended_in', place_of_end(from, past.started_ms) end
  change_state(render, from, to, past, job, now, more)
  append_event(past.job, 'render.stage', { index = tonumber(past.index), state = to }, job.tenant)
  redis.call('ZREM', P .. 'deadlines', render)
  if from == 'checking' then end_picture_check(render, to, job.lane, now) end
  if past.text and to ~= 'succeeded' then forget_text(render, past.text, past.first_seed, now) end
  end_handover(render, past.handover, now)
  -- A render without a picture keeps its token grid, from which a retry may start. A dead letter also keeps its crash
  -- evidence.
  if to == 'succeeded' then settle_render(render) else redis.call('HDEL', key, 'done', 'total') end
  if to == 'rejected' then redis.call('HDEL', key, 'prior', 'prior_engine') end
  if past.best and not past.dead_stage then clear_suspicion(render) end
  if tonumber(job.left) > 1 then
    redis.call('HINCRBY', P .. 'job:' .. past.job, 'num_' .. to, 1)
    redis.call('HINCRBY', P .. 'job:' .. past.job, 'left', -1)
    return false
  end
  end_job(past.job, to, job.tenant, job.status, now)
  return true
end

-- Moves a render to a state other than a running one. The caller has checked ARROWS[from][to].
local function move(render, from, to, now, more)
  local past = render_record(render)
  local job = job_of_move(past.job)
  local go = FINAL[to] and finish or wait_for
  go(render, from, to, past, job, now, more or {})
end
