-- Makes those objects due for deletion of which the store knows nothing: no job uses them and no request holds them.
-- ARGV: objects with condition images.
-- Returns the number of objects that became due.

-- needs: keys, inputs
local num = 0
for _, object in ipairs(ARGV) do
  if not is_input_kept(object) and not redis.call('ZSCORE', P .. 'inputs_doomed', object) then
    doom_input(object)
    num = num + 1
  end
end
return num
