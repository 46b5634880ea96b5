-- Records again which condition images jobs use: for jobs of an earlier release, which did not record it.
-- ARGV: jobs. A job that does not exist is skipped.

-- needs: keys, inputs
for _, job in ipairs(ARGV) do use_inputs(job, redis.call('HGET', P .. 'job:' .. job, 'spec')) end
