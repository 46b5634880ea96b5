-- Functions about size classes of renders (shared/schedule/sizes.py). A lane of renders of an ordinary size has no size
-- in its name. Other lanes do, so that a worker whose memory is too small for them never reads them.

-- needs: size_names

-- Returns the size class in the name of a lane; '' is the ordinary one.
local function size_of(lane)
  local size = string.match(lane, '^[^|]*|[^|]*|[^|]*|([^|]*)')
  return (size and size ~= 'again') and size or ''
end

-- Returns the end of the names of lanes and pools of a size class.
local function suffix_of(size)
  return size == '' and '' or '|' .. size
end

-- Returns whether a worker that announced `sizes` can render a size class. Workers of an earlier release announced
-- nothing, and claim only ordinary sizes.
local function can_render(sizes, size)
  if size == '' or sizes == '*' then return true end
  return sizes and string.find(',' .. sizes .. ',', ',' .. size .. ',', 1, true) ~= nil
end

-- Returns whether a worker that announced `sizes` can render all sizes that one can that announced `others`.
local function can_render_all(sizes, others)
  if others == '*' then return sizes == '*' end
  for size in string.gmatch(others, '[^,]+') do
    if not can_render(sizes, size) then return false end
  end
  return true
end

-- Returns the smallest of these sides whose square has at least so many pixels; the last one if none has.
local function first_side(sides, pixels)
  for _, side in ipairs(sides) do
    if side * side >= pixels then return side end
  end
  return sides[#sides]
end

-- Returns the size class of a render by its settings, as `size_class` in sizes.py does.
local function size_of_settings(settings)
  local sizes, pixels = settings.image_sizes or {}, 0
  for _, size in ipairs(sizes) do pixels = pixels + size[1] * size[2] end
  pixels = pixels + math.max(0, #(settings.images or {}) - #sizes) * 1024 * 1024
  local side = first_side(SIDES_PX, settings.width_px * settings.height_px)
  local conditions = first_side(CONDITION_SIDES_PX, pixels)
  if side == SIDES_PX[1] and conditions <= side then return '' end
  return conditions == 0 and tostring(side) or side .. '+' .. conditions
end

-- Returns the size class of a job by its spec (JSON); nil if the spec can't be read.
local function size_of_spec(spec)
  local is_read, size = pcall(function() return size_of_settings(cjson.decode(spec).settings) end)
  return is_read and size or nil
end

-- Returns the name of a job's lane with the job's size class, and the size class. Jobs that an earlier release accepted
-- are in lanes without it. `job` has the fields lane, size and spec; `size` is missing in these jobs.
local function lane_of_size(job)
  local size = job.size or size_of_spec(job.spec) or size_of(job.lane)
  return string.match(job.lane, '^[^|]*|[^|]*|[^|]*') .. suffix_of(size), size
end
