-- Deletes batches whose own time is over, and forgets others that ended long ago: their pictures and files stay. What else
-- the object store keeps of them is upkeep's to delete, until when they are named in
--   gridpress:batch_ends      zset  batches that are over by when they ended (ms)
--   gridpress:batch_expiries  zset  those with a time of their own, by when it is over (ms)
--   gridpress:batch_doomed    set   batches that are forgotten
--   gridpress:batch_deleted   zset  batches that are deleted, `|` and tenant, by when to delete their objects (ms); a second time
--                                   with `|again`
-- ARGV: retention (ms), most at once
-- Returns forgotten batches of which something may be left.
-- needs: keys, steady, batch, due
local now, most = now_ms(), ARGV[2]
each_due(P .. 'batch_expiries', now, most, function(batch) delete_batch(batch, now) end)
each_due(P .. 'batch_ends', now - tonumber(ARGV[1]), most, function(batch)
  forget_batch(batch)
  redis.call('SADD', P .. 'batch_doomed', batch)
end)
return redis.call('SRANDMEMBER', P .. 'batch_doomed', most)
