-- Returns 1 if the store has unfinished work, else 0. Unfinished work is an accepted render, a prompt enhancement, a
-- check or a batch that has not ended. Pending webhook deliveries and manifests do not count.

-- needs: classes, keys, num_waiting, stages
for _, key in ipairs({ 'leases', 'batch_work' }) do
  if redis.call('EXISTS', P .. key) == 1 then return 1 end
end
for class in pairs(CLASS) do
  if redis.call('EXISTS', P .. 'enhancements:' .. class, P .. 'checks:' .. class, P .. 'texts:' .. class) > 0 then return 1 end
end
for stage in pairs(RUNNING) do
  if num_waiting(stage, 1) > 0 then return 1 end
end
return 0
