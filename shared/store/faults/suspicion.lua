-- Evidence of crashes against a render.
-- needs: keys

-- What one crash after the other says against a render; finishing a stage wipes it out.
local SUSPICION = { 'best', 'strikes', 'group' }

local function absolve(render)
  redis.call('HDEL', P .. 'render:' .. render, unpack(SUSPICION))
  redis.call('DEL', P .. 'crashes:' .. render)
end
