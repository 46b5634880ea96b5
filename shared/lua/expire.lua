-- Ends renders whose time is over.
-- ARGV: most renders at once
-- Returns the number of renders expired.
return expire_due(now_ms(), ARGV[1])
