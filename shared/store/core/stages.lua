-- The stages, and the states in which a render waits for each and runs in each.

local WAITS = { queued = 'ar', prior_ready = 'dit' }
local RUNS = { prior_running = 'ar', decode_running = 'dit' }
local WAITING = { ar = 'queued', dit = 'prior_ready' }
local RUNNING = { ar = 'prior_running', dit = 'decode_running' }
