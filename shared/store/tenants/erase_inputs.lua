-- Makes condition images of a tenant due for deletion that no job uses, even if a request holds them.
-- ARGV: tenant, about the number of images.
-- Returns the number of images.

-- needs: keys, inputs
local names, num = P .. 'input_names:' .. ARGV[1], 0
local found = redis.call('HSCAN', names, 0, 'COUNT', ARGV[2])[2]
for i = 2, #found, 2 do
  if redis.call('EXISTS', P .. 'input_uses:' .. found[i]) == 0 then
    redis.call('ZREM', P .. 'inputs_unused', found[i])
    doom_input(found[i])
    num = num + 1
  end
end
return num
