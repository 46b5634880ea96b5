-- Functions that delete what is no longer needed from the records of a job and a render that have succeeded. They can't
-- run again, and their records are stored for days.

-- needs: keys

local function settle_job(job)
  redis.call('HDEL', P .. 'job:' .. job, 'lane', 'size', 'rank', 'age_rank', 'left', 'num_succeeded', 'start_timeout_ms',
    'execution_timeout_ms', 'deadline_ms', 'ar_cost', 'dit_cost', 'webhook_url', 'webhook_events', 'progress_ms',
    'num_reports')
end

-- The fence and the holder stay, because a worker may report the same result once more.
local function settle_render(render)
  redis.call('HDEL', P .. 'render:' .. render, 'prior', 'prior_engine', 'done', 'total', 'worker', 'in_step', 'device_ms',
    'ar_device_ms', 'queued_ms', 'started_ms', 'first_seed')
end
