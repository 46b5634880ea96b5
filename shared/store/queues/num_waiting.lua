-- A function that counts the renders that wait for a stage.

-- needs: keys

local function num_waiting(stage)
  local total = redis.call('ZCARD', P .. 'quarantine:' .. stage)
  for _, lane in ipairs(redis.call('SMEMBERS', P .. 'lanes:' .. stage)) do
    total = total + redis.call('ZCARD', P .. 'waiting:' .. stage .. ':' .. lane)
  end
  return total
end
