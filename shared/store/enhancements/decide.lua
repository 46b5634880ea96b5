-- Decides once what becomes of a prompt that was to be enhanced.
-- needs: keys, events

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
