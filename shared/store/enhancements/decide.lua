-- A function that stores the outcome of a job's prompt enhancement: the revised prompt or an error.

-- needs: keys, events

-- Returns the key of the list in which a job waits for its enhancement.
local function enhancements_of(job)
  return P .. 'enhancements:' .. string.match(redis.call('HGET', P .. 'job:' .. job, 'lane'), '^[^|]*')
end

-- Stores the outcome. `text` is the revised prompt, or the error (JSON). Callers check before that no outcome is stored
-- yet.
local function decide_enhancement(job, status, text)
  local has_succeeded = status == 'succeeded'
  redis.call('HSET', P .. 'job:' .. job, 'enhancement', status,
    has_succeeded and 'revised_prompt' or 'enhancement_error', text)
  redis.call('ZREM', enhancements_of(job), job)
  append_event(job, 'job.enhanced', { status = status, revised_prompt = has_succeeded and text or cjson.null,
    error = has_succeeded and cjson.null or cjson.decode(text) })
end
