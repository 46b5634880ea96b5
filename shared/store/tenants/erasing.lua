-- A function that tells whether the data of a tenant is being erased. Scripts that create data of a tenant then refuse.
--   gridpress:erasing           set   tenants whose data is being erased
--   gridpress:erasure:<tenant>  hash  started_ms; phase: deleting, settling (until until_ms a worker may still store an
--                                     object) or finishing; with_settings (1: settings are erased too); scanned: the
--                                     last folder of the object store that was looked at, or 'all'

-- needs: keys

local function is_erasing(tenant)
  return redis.call('SISMEMBER', P .. 'erasing', tenant) == 1
end
