-- Writes the stream of all events of a tenant's jobs, from which a page follows all of them (activity.py).
-- Nothing is written for a tenant whose jobs nobody follows, so these tenants cost one look at a key for each event.

-- needs: keys

local ACTIVITY_KEPT, ACTIVITY_KEPT_S = 2000, 3600

local followed = {} -- whether somebody follows a tenant

-- Returns whether somebody follows a tenant, or did so some minutes ago.
local function is_followed(tenant)
  if followed[tenant] == nil then followed[tenant] = redis.call('EXISTS', P .. 'followed:' .. tenant) == 1 end
  return followed[tenant]
end

-- Appends an event of a job to the stream of its tenant, if somebody follows this tenant or did so some minutes ago. It
-- reads the tenant of the job unless `tenant` is given.
local function append_activity(job, type, data, tenant)
  tenant = tenant or redis.call('HGET', P .. 'job:' .. job, 'tenant')
  if not tenant or not is_followed(tenant) then return end
  local key = P .. 'activity:' .. tenant
  redis.call('XADD', key, 'MAXLEN', '~', ACTIVITY_KEPT, '*', 'job', job, 'type', type, 'data', cjson.encode(data))
  redis.call('EXPIRE', key, ACTIVITY_KEPT_S)
  redis.call('PUBLISH', P .. 'events:tenant:' .. tenant, type)
end
