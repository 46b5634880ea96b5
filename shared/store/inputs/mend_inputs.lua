-- Removes jobs that do not exist from the jobs that use an object: an earlier release deletes jobs without doing so. A job
-- that has shrunk to an index entry exists.
-- ARGV: object, then jobs that use it.
-- Returns the number of removed jobs.

-- needs: keys, inputs, kept
local tenant, num = string.match(ARGV[1], '^inputs/([^/]+)/'), 0
for i = 2, #ARGV do
  if redis.call('EXISTS', P .. 'job:' .. ARGV[i]) == 0 and not (tenant and find_kept(ARGV[i], tenant)) then
    drop_input(ARGV[i], ARGV[1])
    num = num + 1
  end
end
return num
