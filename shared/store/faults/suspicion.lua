-- A function that clears a render of the suspicion that it crashes workers, and deletes the evidence for this.

-- needs: keys

-- The fields of a suspect. They are deleted when the render finishes a stage.
local SUSPICION = { 'best', 'strikes', 'group' }

-- Clears the suspicion against a render and deletes its crash evidence.
local function clear_suspicion(render)
  redis.call('HDEL', P .. 'render:' .. render, unpack(SUSPICION))
  redis.call('DEL', P .. 'crashes:' .. render)
end
