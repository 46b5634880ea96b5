-- Lists API keys, newest first.
-- ARGV: tenant, or '' for all tenants; the last key id of the previous page, or ''; maximum number of keys.
-- Returns key ids. The list is empty if the last key id of the previous page is unknown.

-- needs: keys, key_index
local tenant, after, limit = ARGV[1], ARGV[2], tonumber(ARGV[3])
complete_lists()
local list = tenant == '' and P .. 'keys' or P .. 'keys_of:' .. tenant
local first = 0
if after ~= '' then
  local rank = redis.call('ZREVRANK', list, after)
  if not rank then return {} end
  first = rank + 1
end
return redis.call('ZREVRANGE', list, first, first + limit - 1)
