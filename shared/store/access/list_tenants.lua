-- Lists tenants in alphabetical order: those with API keys or limits, and the default tenant.
-- ARGV: the default tenant; the last tenant of the previous page, or ''; maximum number of tenants.

-- needs: keys, key_index, tenant_index
local default, after, limit = unpack(ARGV)
complete_lists()
if not redis.call('ZSCORE', P .. 'tenants', default) then list_tenant(default) end
return redis.call('ZRANGEBYLEX', P .. 'tenants', after == '' and '-' or '(' .. after, '+', 'LIMIT', 0, limit)
