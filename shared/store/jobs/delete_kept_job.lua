-- Deletes a job that is only an index entry. Upkeep deletes its objects.
-- ARGV: job, tenant.
-- Returns 1, or 0 when the tenant has no such entry.

-- needs: clock, kept
local status, entry = find_kept(ARGV[1], ARGV[2])
if not entry then return 0 end
delete_kept(ARGV[2], status, entry, now_ms())
return 1
