-- A function that ends the enhancement stage of a job, which comes before AR. During this stage the job's renders have
-- the state `queued`, but are in no lane (queue of waiting renders).

-- needs: decide, release

-- Ends the stage with a revised prompt, or with an error (JSON) and the original prompt. Then the job goes on: to the
-- check of its prompt, or to AR. The caller has checked that the enhancement is pending.
local function end_enhancement(job, status, text)
  decide_enhancement(job, status, text)
  go_on(job)
end
