-- Removes jobs that do not exist from the jobs that use an object: an earlier release deletes jobs without doing so.
-- ARGV: object, then jobs that use it.
-- Returns the number of removed jobs.

-- needs: keys, inputs
local num = 0
for i = 2, #ARGV do
  if redis.call('EXISTS', P .. 'job:' .. ARGV[i]) == 0 then
    drop_input(ARGV[i], ARGV[1])
    num = num + 1
  end
end
return num
