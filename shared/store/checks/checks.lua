-- Functions for content checks. A content check asks the operator's hook whether a job's prompt or a finished picture is
-- permitted (docs/content_hooks.md). A prompt is checked before the job's first stage: its renders have the state
-- `queued`, or `prior_ready` for a re-render, but are in no lane. A picture is checked after the DiT: its render has the
-- state `checking`, and no worker holds it.
-- A text check reads the text in a finished picture (docs/text_check.md), before the content check of the picture.
-- Jobs and renders that wait for a content check are in gridpress:checks:<class>, and renders that wait for a text check in
-- gridpress:texts:<class>, by the time at which they are due.

-- needs: keys

-- Returns the key of the list in which a job or its renders wait for checks. `lane` is the job's lane.
local function checks_of(lane)
  return P .. 'checks:' .. string.match(lane, '^[^|]*')
end

-- Returns the key of the list in which renders wait for text checks.
local function texts_of(lane)
  return P .. 'texts:' .. string.match(lane, '^[^|]*')
end

-- Upkeep deletes the objects of a picture (JSON) at its next tick.
local function discard_picture(picture, now)
  local folder = string.match(picture.key, '^(.*/)')
  redis.call('ZADD', P .. 'handovers', now, picture.key, now, picture.manifest_key, now, folder .. 'prior.gpg')
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

-- Ends the checks of a render's picture. Unless the picture was allowed, upkeep deletes its objects at its next tick.
local function end_picture_check(render, to, lane, now)
  local key = P .. 'render:' .. render
  redis.call('ZREM', checks_of(lane), render)
  redis.call('ZREM', texts_of(lane), render)
  local stored = redis.call('HGET', key, 'unchecked')
  redis.call('HDEL', key, 'unchecked', 'unchecked_usage', 'check_holder', 'check_attempts')
  if to == 'succeeded' or not stored then return end
  discard_picture(cjson.decode(stored), now)
end

-- Forgets the text check of a render that ends without a picture. If the picture was drawn again, the best drawing is
-- deleted, and a retry begins with the first seed: the token grid of a redraw does not belong to it.
local function forget_text(render, text, first_seed, now)
  local key, best = P .. 'render:' .. render, cjson.decode(text).best
  if best then discard_picture(best.picture, now) end
  redis.call('HDEL', key, 'text')
  if not first_seed then return end
  redis.call('HSET', key, 'seed', first_seed)
  redis.call('HDEL', key, 'first_seed', 'prior', 'prior_engine', 'ar_device_ms')
end
