-- Creates a job and its renders, and sends a hint if its first queue lacks one. A repeated call with the same job id or
-- client id changes nothing.
-- The rank orders the renders in a lane (the waiting renders of one stage, class, tenant and model revision). For a
-- single job the rank is the time of creation, plus a handicap for a lower class. The job of a batch line has the rank
-- of its batch (batch_order.lua) instead. The rank that it would have as a single job is stored as `age_rank`. This
-- orders the jobs that wait for the enhancement of their prompt.
-- Arguments (ARGV):
--   1 to 3: job, tenant, spec (JSON)
--   4: options (JSON), see below
--   5 to 7: the hint: queue, key of the queue's Celery list, message; all '' for no hint
--   then for each render: its id, seed
-- Options:
--   class, handicap_ms                 the class, and what its handicap adds to the rank
--   size                               the size class (sizes.lua)
--   ar_cost, dit_cost                  cost of one render in each stage
--   start_timeout_ms, execution_timeout_ms, deadline_ms  time limits, '' for none
--   delete_after_ms                    time from the job's end to its deletion; '' for the tenant's default
--   prior, revision                    for re-renders: the token grid from which all renders start, so that they wait
--                                      for the DiT, and the model revision that made it. Otherwise '': the first claim
--                                      sets the job's revision
--   route, canary                      the model revision that the job goes to, '' for that of the newest AR worker;
--                                      true if the canary share of its model chose it
--   source                             for re-renders: the job of the token grid; otherwise ''
--   enhance                            true: the renders first wait for the enhancement of their prompt
--   text_check                         true: the text in each picture is read at its end (see checks.lua)
--   check                              true: they then wait for the check of their prompt (see checks.lua)
--   client_id, fingerprint             the client's own id of the job ('' for none), and the fingerprint of its request
--   batch, line, note                  for a batch line, which becomes a job only while it waits; batch is '' otherwise
--   webhook_url, webhook_events        '' for none; a list
--   origin                             JSON, see shared/tracing/origin.py; '' for none
--   idempotency                        scope of the request's Idempotency-Key, or ''. From then on the key names the job
-- Returns {'new', created_ms, delete_after_ms or ''}; {'stands', job} when the job exists or the batch line waits no more; {'taken'} when the
-- client id belongs to another request; {'full', renders queued, limit} when the job would exceed the tenant's limit of
-- queued renders; {'spent', pictures, device time (ms), both budgets or ''} when it would exceed a budget (budget.lua);
-- {'erasing'} while the tenant's data is being erased; {'gone'} when a condition image of the spec was deleted meanwhile.

-- needs: keys, clock, batch_order, budget, checks, deadlines, decide, erasing, events, hints, inputs, job_stands, lanes, sizes, stages, tenant_load
-- seldom: enhancements_of, is_input_kept, job_stands, num_due, num_wanted_of_stage, rank_of_line, require_prompt_check
-- seldom: spent_budget

local job, tenant, spec, options = ARGV[1], ARGV[2], ARGV[3], cjson.decode(ARGV[4])
local n = (#ARGV - 7) / 2
local key = P .. 'job:' .. job

-- Records under the Idempotency-Key that a job was created.
local function record_under_key()
  if options.idempotency ~= '' then job_stands(options.idempotency) end
end

if redis.call('EXISTS', key) == 1 then
  record_under_key()
  return { 'stands', job }
end
local standing = options.client_id ~= '' and redis.call('HGET', P .. 'client_ids:' .. tenant, options.client_id)
if standing then
  if redis.call('HGET', P .. 'job:' .. standing, 'fingerprint') ~= options.fingerprint then return { 'taken' } end
  record_under_key()
  return { 'stands', standing }
end
local batch_key, lines = P .. 'batch:' .. options.batch, P .. 'batch_lines:' .. options.batch
if options.batch ~= '' then
  local is_waiting = redis.call('GETRANGE', lines, options.line, options.line) == 'w'
  if not is_waiting or redis.call('HGET', batch_key, 'end') ~= 'completed' then return { 'stands', job } end
end
if is_erasing(tenant) then return { 'erasing' } end
local most_queued, most_pictures, most_seconds = unpack(redis.call('HMGET', P .. 'limits:' .. tenant, 'queued_renders',
  'pictures_per_month', 'device_seconds_per_month'))
if most_queued then
  local num_queued = tonumber(redis.call('HGET', P .. 'load:' .. tenant, 'queued') or 0)
  if num_queued + n > tonumber(most_queued) then return { 'full', num_queued, tonumber(most_queued) } end
end
if most_pictures or most_seconds then
  local pictures, device_ms = spent_budget(tenant, most_pictures, most_seconds, n, now_ms())
  if pictures then return { 'spent', pictures, device_ms, most_pictures or '', most_seconds or '' } end
end
-- Images that earlier releases stored are in no record until the first sweep. They exist as long as the job that used
-- them first, which a re-render names.
if options.source == '' or redis.call('EXISTS', P .. 'job:' .. options.source) == 0 then
  for _, object in ipairs(inputs_of(spec)) do
    if not is_input_kept(object) then return { 'gone' } end
  end
end
-- The lane decides which workers look for the job first. The first claim decides which model revision it gets.
local route = options.revision ~= '' and options.revision or options.route
if route == '' then route = redis.call('GET', P .. 'revision') or '' end
local now = now_ms()
local lane = options.class .. '|' .. tenant .. '|' .. route .. suffix_of(options.size)
local age_rank = now + options.handicap_ms
local rank = options.batch == '' and age_rank or rank_of_line(options.batch, age_rank)
local stage = options.prior == '' and 'ar' or 'dit'

local deadline = moment_of(options.deadline_ms)
local fields = { 'spec', spec, 'tenant', tenant, 'lane', lane, 'rank', rank, 'status', 'queued',
  'revision', options.revision, 'size', options.size, 'n', n, 'left', n, 'created_ms', now, 'start_timeout_ms', options.start_timeout_ms,
  'execution_timeout_ms', options.execution_timeout_ms, 'deadline_ms', deadline, 'ar_cost', options.ar_cost,
  'dit_cost', options.dit_cost, 'origin', options.origin }

local function add_fields(...)
  for _, part in ipairs({ ... }) do table.insert(fields, part) end
end

if options.batch ~= '' then
  add_fields('batch', options.batch, 'line', options.line, 'note', options.note, 'age_rank', age_rank)
  redis.call('SETRANGE', lines, options.line, 'o')
  redis.call('HINCRBY', batch_key, 'open', 1)
  redis.call('HINCRBY', batch_key, 'renders', n)
  for _, of in ipairs({ 'ar', 'dit' }) do
    local todo = 'todo_' .. of
    if redis.call('HEXISTS', batch_key, todo) == 1 then
      redis.call('HINCRBY', batch_key, todo, string.format('%.0f', -n * options[of .. '_cost']))
    end
  end
end
if options.client_id ~= '' then
  add_fields('client_id', options.client_id, 'fingerprint', options.fingerprint)
  redis.call('HSET', P .. 'client_ids:' .. tenant, options.client_id, job)
end
if options.webhook_url ~= '' then
  add_fields('webhook_url', options.webhook_url, 'webhook_events', cjson.encode(options.webhook_events))
end
-- A batch line has none of its own: its batch has one.
local delete_after = options.delete_after_ms
if delete_after == '' and options.batch == '' then
  delete_after = redis.call('GET', P .. 'delete_after:' .. tenant) or ''
end
if delete_after ~= '' then add_fields('delete_after_ms', delete_after) end
if options.canary then add_fields('canary', 1) end
if options.enhance then add_fields('enhancement', 'pending') end
if options.check then add_fields('check', 'pending') end
if options.text_check then add_fields('text_check', 1) end
redis.call('HSET', key, unpack(fields))
use_inputs(job, spec)
redis.call('HINCRBY', P .. 'ledger', 'accepted', 1)
redis.call('ZADD', P .. 'jobs:' .. tenant, 0, job)
redis.call('ZADD', P .. 'jobs:' .. tenant .. ':queued', 0, job)
count_load(tenant, WAITING[stage], false, n)
if options.enhance then
  redis.call('ZADD', enhancements_of(job), now, job)
  redis.call('SADD', P .. 'enhancing', tenant)
elseif options.check then
  require_prompt_check(job, lane, tenant, now)
end
local queueing = { lane = lane, rank = rank, ar_cost = options.ar_cost, dit_cost = options.dit_cost }
local expires = end_of_limits(options.start_timeout_ms, deadline, now)
for i = 8, #ARGV, 2 do
  local render_key = P .. 'render:' .. ARGV[i]
  redis.call('HSET', render_key, 'job', job, 'index', (i - 8) / 2, 'state', WAITING[stage], 'seed', ARGV[i + 1],
    'fence', 0, WAITING[stage] .. '_ms', now)
  if stage == 'dit' then redis.call('HSET', render_key, 'prior', options.prior) end
  if not (options.enhance or options.check) then enqueue(ARGV[i], stage, queueing, false) end
  if expires then redis.call('ZADD', P .. 'deadlines', expires, ARGV[i]) end
end
append_event(job, 'job.queued', { n = n }, tenant)
record_under_key()
if ARGV[7] ~= '' then send_hints(ARGV[5], ARGV[6], ARGV[7], job, 1, now) end
return { 'new', now, delete_after }
