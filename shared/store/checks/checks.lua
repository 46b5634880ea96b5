-- Functions for content checks. A content check asks the operator's hook whether a job's prompt or a finished picture is
-- permitted (docs/content_hooks.md). A prompt is checked before the job's first stage: its renders have the state
-- `queued`, or `prior_ready` for a re-render, but are in no lane. A picture is checked after the DiT: its render has the
-- state `checking`, and no worker holds it.
-- Jobs and renders that wait for a check are in gridpress:checks:<class>, by the time at which they are due.

-- needs: keys

-- Returns the key of the list in which a job or its renders wait for checks. `lane` is the job's lane.
local function checks_of(lane)
  return P .. 'checks:' .. string.match(lane, '^[^|]*')
end

-- Makes the check of a job's prompt due. The field `check` of the job is `pending`.
local function require_prompt_check(job, lane, tenant, now)
  redis.call('ZADD', checks_of(lane), now, job)
  redis.call('SADD', P .. 'enhancing', tenant)
end

-- Takes a job out of the list of checks and ends the lease on its check.
local function leave_prompt_check(job, lane)
  redis.call('ZREM', checks_of(lane), job)
  redis.call('HDEL', P .. 'job:' .. job, 'check_holder', 'check_attempts')
end

-- Ends the check of a render's picture. Unless the picture was allowed, upkeep deletes its objects at its next tick.
local function end_picture_check(render, to, lane, now)
  local key = P .. 'render:' .. render
  redis.call('ZREM', checks_of(lane), render)
  local stored = redis.call('HGET', key, 'unchecked')
  redis.call('HDEL', key, 'unchecked', 'unchecked_usage', 'check_holder', 'check_attempts')
  if to == 'succeeded' or not stored then return end
  local picture = cjson.decode(stored)
  local folder = string.match(picture.key, '^(.*/)')
  redis.call('ZADD', P .. 'handovers', now, picture.key, now, picture.manifest_key, now, folder .. 'prior.gpg')
end
