-- Tables that map the states of renders to stages, and stages to states.
--   WAITS    state -> stage for which a render in this state waits
--   RUNS     state -> stage in which a render in this state runs
--   WAITING  stage -> state of renders that wait for this stage
--   RUNNING  stage -> state of renders that run in this stage

local WAITS = { queued = 'ar', prior_ready = 'dit' }
local RUNS = { prior_running = 'ar', decode_running = 'dit' }
local WAITING = { ar = 'queued', dit = 'prior_ready' }
local RUNNING = { ar = 'prior_running', dit = 'decode_running' }
