-- Removes index entries of jobs whose manifest is no longer in the object store, for example because a lifecycle rule of
-- the bucket deleted it.
-- ARGV: tenant, then jobs.
-- Returns the number of removed entries.

-- needs: kept
local num = 0
for i = 2, #ARGV do
  local status, entry = find_kept(ARGV[i], ARGV[1])
  if entry then
    drop_kept(ARGV[1], status, entry)
    num = num + 1
  end
end
return num
