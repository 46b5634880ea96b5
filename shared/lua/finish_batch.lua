-- The files of a batch are written.
-- ARGV: batch, holder, output file or '', error file or ''
-- Returns 1, or 0 when the lease was lost.
local batch, holder, output, errors = unpack(ARGV)
if not is_holder(batch, holder) then return 0 end
redis.call('HSET', P .. 'batch:' .. batch, 'output_file', output, 'error_file', errors)
end_batch(batch, redis.call('HGET', P .. 'batch:' .. batch, 'end'), now_ms())
return 1
