-- Ends a text check: the picture is drawn again, or a drawing is kept. Changes nothing if the lease was lost, or if the
-- render ended meanwhile.
-- Arguments (ARGV):
--   1, 2: render, holder of the lease
--   3: outcome: 'redraw' (the render waits for AR again), 'keep', or 'check' (keep, and check the content)
--   4, 5: the record of the drawings (JSON), seed of the next drawing or of the kept one
--   6: picture that is kept (JSON), or '' for 'redraw'
--   7: what the kept picture adds to the usage of its tenant (count_usage.lua), or ''
--   8: picture whose objects are to be deleted (JSON), or ''
-- Returns 'lost' if nothing was changed; 'ended' if this ended the job; otherwise 'moved'.

-- needs: keys, clock, checks, count_usage, duties, move, stored
local render, holder, outcome, text, seed, picture, used, discarded = unpack(ARGV)
remove_duty(holder, 'c|' .. render)
local key, now = P .. 'render:' .. render, now_ms()
local held = redis.call('HMGET', key, 'state', 'check_holder', 'seed')
if held[1] ~= 'checking' or held[2] ~= holder then return 'lost' end
local past = render_record(render)
local job = job_of_move(past.job)
redis.call('ZREM', texts_of(job.lane), render)
redis.call('HDEL', key, 'check_holder', 'check_attempts')
if discarded ~= '' then discard_picture(cjson.decode(discarded), now) end

if outcome == 'redraw' then
  redis.call('HDEL', key, 'unchecked', 'unchecked_usage', 'prior', 'prior_engine', 'ar_device_ms', 'prior_running_ms',
    'prior_ready_ms', 'decode_running_ms', 'checking_ms', 'ar_attempts', 'dit_attempts')
  redis.call('HSETNX', key, 'first_seed', held[3])
  wait_for(render, 'checking', 'queued', past, job, now, { 'text', text, 'seed', seed })
  return 'moved'
end
local fields = { 'text', text, 'seed', seed }
if outcome == 'check' then
  redis.call('HSET', key, 'unchecked', picture, 'unchecked_usage', used, unpack(fields))
  redis.call('ZADD', checks_of(job.lane), now, render)
  return 'moved'
end
local num_bytes = string.format('%.0f', cjson.decode(picture).num_bytes)
if used ~= '' then count_usage(job.tenant, used, now) end
count_stored(job.tenant, num_bytes)
for _, part in ipairs({ 'picture', picture, 'stored', num_bytes }) do fields[#fields + 1] = part end
return finish(render, 'checking', 'succeeded', past, job, now, fields) and 'ended' or 'moved'
