-- Expires renders whose time limit is over.
-- ARGV: maximum number of renders.
-- Returns the number of expired renders.

-- needs: clock, deadlines
return expire_due(now_ms(), ARGV[1])
