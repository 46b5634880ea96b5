-- Tells whether any accepted renders, prompts or batches are unfinished. Pending webhooks and manifests do not count.
-- Returns 1 or 0.
-- needs: classes, keys, num_waiting, stages
for _, key in ipairs({ 'leases', 'batch_work' }) do
  if redis.call('EXISTS', P .. key) == 1 then return 1 end
end
for class in pairs(CLASS) do
  if redis.call('EXISTS', P .. 'enhancements:' .. class) == 1 then return 1 end
end
for stage in pairs(RUNNING) do
  if num_waiting(stage) > 0 then return 1 end
end
return 0
