-- Writes the stream of all events of a tenant's jobs, from which a page follows all of them (activity.py).
-- Nothing is written for a tenant whose jobs nobody follows, so these tenants cost one look at a key for each event.

-- needs: keys

local ACTIVITY_KEPT, ACTIVITY_KEPT_S = 2000, 3600

-- Appends an event of a job to the stream of its tenant, if somebody follows this tenant or did so some minutes ago.
local function append_activity(job, type, data)
  local tenant = redis.call('HGET', P .. 'job:' .. job, 'tenant')
  if not tenant or redis.call('EXISTS', P .. 'followed:' .. tenant) == 0 then return end
  local key = P .. 'activity:' .. tenant
  redis.call('XADD', key, 'MAXLEN', '~', ACTIVITY_KEPT, '*', 'job', job, 'type', type, 'data', cjson.encode(data))
  redis.call('EXPIRE', key, ACTIVITY_KEPT_S)
  redis.call('PUBLISH', P .. 'events:tenant:' .. tenant, type)
end
