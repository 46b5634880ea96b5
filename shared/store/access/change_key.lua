-- Changes fields of an API key.
-- ARGV: key id, then pairs of a field and its value. The value '' removes the field.
-- Returns 1, or 0 if there is no such key, or it is revoked.

-- needs: keys
local key = P .. 'key:' .. ARGV[1]
if redis.call('EXISTS', key) == 0 or redis.call('HEXISTS', key, 'revoked_ms') == 1 then return 0 end
for i = 2, #ARGV, 2 do
  if ARGV[i + 1] == '' then
    redis.call('HDEL', key, ARGV[i])
  else
    redis.call('HSET', key, ARGV[i], ARGV[i + 1])
  end
end
return 1
