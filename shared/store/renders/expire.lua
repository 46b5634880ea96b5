-- Ends renders whose time is over.
-- ARGV: most renders at once
-- Returns the number of renders expired.
-- needs: steady, deadlines
return expire_due(now_ms(), ARGV[1])
