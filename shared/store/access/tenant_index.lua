-- A function that lists a tenant for operators.
--   gridpress:tenants         zset    tenants that have or had API keys or limits, score 0
--   gridpress:tenants_listed  string  the number of key ids whose tenants are in it (see key_index.lua)

-- needs: keys

local function list_tenant(tenant)
  redis.call('ZADD', P .. 'tenants', 0, tenant)
end
