-- Returns how far the starts of workers are that have reported it lately.
-- ARGV: limit (ms). An older report is of a worker that has died.
-- Returns for each the JSON text of report_start.lua.

-- needs: keys, clock, workers
local limit, now, found = tonumber(ARGV[1]), now_ms(), {}
for _, report in pairs(all_of(P .. 'starting')) do
  local at, progress = string.match(report, '^(%d+)|(.*)$')
  if at and now - tonumber(at) <= limit then table.insert(found, progress) end
end
table.sort(found)
return found
