-- Restores the index entry of a job from its manifest, for a store that has lost it.
-- ARGV: job, tenant, status, bytes of its pictures, spec (JSON), time at which it deletes itself (ms) or ''.
-- Returns 1, or 0 when the store already has the job or its entry.

-- needs: keys, clock, inputs, kept, stored
local job, tenant, status, num_bytes, spec, ends = unpack(ARGV)
if redis.call('EXISTS', P .. 'job:' .. job) == 1 or find_kept(job, tenant) then return 0 end
use_inputs(job, spec)
count_stored(tenant, num_bytes)
write_kept(job, tenant, status, num_bytes, keep_inputs(job, spec), ends ~= '' and ends or nil, now_ms())
return 1
