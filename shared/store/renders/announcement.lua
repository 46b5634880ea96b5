-- A function that records what a worker announces: its slots, model revision and health values.

-- needs: keys, announced_model, open_places, paused, stages

-- Deletes the records of workers whose announcement ended an hour ago.
local function forget_workers_gone(stage, now)
  local key = P .. 'workers:' .. stage
  for _, gone in ipairs(redis.call('ZRANGEBYSCORE', key, '-inf', now - 3600000)) do
    redis.call('ZREM', key, gone)
    redis.call('HDEL', P .. 'slots:' .. stage, gone)
    redis.call('HDEL', P .. 'serves:' .. stage, gone)
    redis.call('HDEL', P .. 'signs:' .. stage, gone)
    redis.call('HDEL', P .. 'sizes:' .. stage, gone)
    redis.call('HDEL', P .. 'device_ms', gone)
    redis.call('HDEL', P .. 'paused', 'worker:' .. gone)
    remove_places(stage, gone)
  end
end

-- A value that stands is not written to the append-only file again.
local function store_value(key, worker, value)
  if redis.call('HGET', key, worker) ~= value then redis.call('HSET', key, worker, value) end
end

-- The arguments are those of heartbeat.lua.
local function announce_worker(stage, worker, slots, revision, signs, model, sizes, now)
  forget_workers_gone(stage, now)
  store_value(P .. 'slots:' .. stage, worker, slots)
  store_value(P .. 'serves:' .. stage, worker, revision)
  store_value(P .. 'signs:' .. stage, worker, signs)
  if RUNNING[stage] then
    store_value(P .. 'sizes:' .. stage, worker, sizes)
    local last = redis.call('HMGET', P .. 'last_worker:' .. stage, 'slots', 'revision')
    if slots ~= '0' and (last[1] ~= slots or last[2] ~= revision) then
      redis.call('HSET', P .. 'last_worker:' .. stage, 'slots', slots, 'revision', revision)
    end
  end
  -- New jobs go to the revision of this worker, unless an operator drains it or has paused the revision.
  local is_paused = stage == 'ar' and slots ~= '0' and pause_check()
  local is_offered = stage == 'ar' and slots ~= '0' and not (is_paused and is_paused('revision', revision))
  if is_offered and redis.call('GET', P .. 'revision') ~= revision then
    redis.call('SET', P .. 'revision', revision)
  end
  if stage == 'ar' and model ~= '' then announce_model(model, revision, is_offered, now) end
end
