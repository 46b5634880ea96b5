-- Functions about size classes of renders (shared/schedule/sizes.py). A lane of renders of an ordinary size has no size
-- in its name. Other lanes do, so that a worker whose memory is too small for them never reads them.

-- Returns the size class in the name of a lane; '' is the ordinary one.
local function size_of(lane)
  local size = string.match(lane, '^[^|]*|[^|]*|[^|]*|([^|]*)')
  return (size and size ~= 'again') and size or ''
end

-- Returns the end of the names of lanes and pools of a size class.
local function suffix_of(size)
  return size == '' and '' or '|' .. size
end

-- Returns whether a worker that announced `sizes` can render a size class. Workers of an earlier version announced
-- nothing, and claim everything.
local function can_render(sizes, size)
  if size == '' or not sizes or sizes == '*' then return true end
  return string.find(',' .. sizes .. ',', ',' .. size .. ',', 1, true) ~= nil
end
