-- Pauses, resumes, cancels or retries a batch for its owner. Results that exist are kept.
-- Arguments (ARGV):
--   1, 2: batch, tenant
--   3: action: 'pause', 'resume', 'cancel' or 'retry'
--   4: completion window of a retry (ms)
--   5: maximum number of retries
--   6: origin of a retry (JSON), or ''
-- Returns 1; 0 when the tenant has no such batch; 2 when the batch has ended, is ending or has nothing to retry.

-- needs: keys, clock, batch_cost, batch_order, copies, lines
local batch, tenant, action, window, most, origin = unpack(ARGV)
local key, now = P .. 'batch:' .. batch, now_ms()
local known = redis.call('HMGET', key, 'tenant', 'status', 'end', 'round')
if known[1] ~= tenant then return 0 end

local function cancel()
  if known[3] == 'cancelled' then return 1 end
  if OVER[known[2]] or known[2] == 'finalizing' then return 2 end
  redis.call('HSET', key, 'end', 'cancelled', 'status', 'cancelling', 'cancelling_ms', now)
  redis.call('HDEL', key, 'paused')
  return 1
end

local function retry()
  if not OVER[known[2]] or tonumber(known[4]) >= tonumber(most) then return 2 end
  local lines, num = string.gsub(redis.call('GET', P .. 'batch_lines:' .. batch) or '', '[fxc]', 'w')
  if num == 0 then return 2 end
  redis.call('SET', P .. 'batch_lines:' .. batch, lines)
  redis.call('HINCRBY', key, 'failed', -num)
  local cost = scaled_cost(batch, num)
  if cost then redis.call('HSET', key, 'todo_ar', cost.ar, 'todo_dit', cost.dit) end
  reset_rate(batch)
  drop_copy(batch, tenant)
  redis.call('HINCRBY', key, 'round', 1)
  redis.call('ZREM', P .. 'batch_ends', batch)
  redis.call('ZREM', P .. 'batch_expiries', batch)
  redis.call('HSET', key, 'status', 'in_progress', 'end', 'completed', 'line', 0, 'offset', 0,
    'expires_ms', now + tonumber(window), 'origin', origin)
  redis.call('HDEL', key, 'finalizing_ms', 'completed_ms', 'cancelling_ms', 'cancelled_ms', 'expired_ms')
  return 1
end

local function set_paused(is_paused)
  if OVER[known[2]] or known[3] ~= 'completed' then return 2 end
  if is_paused then redis.call('HSET', key, 'paused', 1) else redis.call('HDEL', key, 'paused') end
  return 1
end

local answer
if action == 'cancel' then
  answer = cancel()
elseif action == 'retry' then
  answer = retry()
else
  answer = set_paused(action == 'pause')
end
if answer == 1 then
  notify_batch_change(batch)
  update_order(batch)
  make_next_batch_due(batch, now)
end
if answer == 1 and not (OVER[known[2]] and action ~= 'retry') and redis.call('HEXISTS', key, 'holder') == 0 then
  redis.call('ZADD', P .. 'batch_work', now, batch)
end
return answer
