-- Deletes those of some webhook destinations that belong to a tenant.
-- ARGV: tenant, then destinations.
-- Returns the number of deleted destinations.

-- needs: keys, outbox
local num = 0
for i = 2, #ARGV do
  if redis.call('HGET', P .. 'destination:' .. ARGV[i], 'tenant') == ARGV[1] then
    delete_destination(ARGV[i])
    num = num + 1
  end
end
return num
