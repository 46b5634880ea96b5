-- Ends a batch whose output files are written. If the batch was retried, deletes its former output files, which the new
-- files replace.
-- ARGV: batch, holder of its lease, output file or '', error file or ''.
-- Returns 1, or 0 when the lease was lost.

-- needs: keys, clock, batch, file
local batch, holder, output, errors = unpack(ARGV)
if not is_holder(batch, holder) then return 0 end
local key = P .. 'batch:' .. batch
local known = redis.call('HMGET', key, 'tenant', 'end', 'output_file', 'error_file')
for i = 3, 4 do
  local former = known[i]
  if former and former ~= '' and former ~= output and former ~= errors then delete_file(former, known[1]) end
end
redis.call('HSET', key, 'output_file', output, 'error_file', errors)
end_batch(batch, known[2], now_ms())
return 1
