-- Functions that record which jobs use a condition image. An object of the object store holds a condition image.
--   gridpress:input_uses:<object>   set   jobs that use the object
--   gridpress:inputs_unused         zset  objects that perhaps no job uses, by the time of the next look at them (ms). A
--                                         request that stores an image puts its object here first, for the time of its
--                                         hold. So a crash at any moment leaves no image that nobody knows
--   gridpress:inputs_doomed         zset  objects to delete, by due time (ms). No job can use them any more
--   gridpress:input_names:<tenant>  hash  SHA-256 of an image -> its object. Equal images of a tenant share an object
--                                         until it is doomed. The next equal image gets an object with another name, so
--                                         that a late deletion of the old object can't harm it
--   gridpress:input_sweep           string  time of the next sweep (ms): see shared/store/inputs/sweep.py

-- needs: keys, clock, stored

-- Returns the objects with the condition images of a spec (JSON); none for a spec that can't be read.
local function inputs_of(spec)
  if not spec or not string.find(spec, 'inputs/', 1, true) then return {} end
  local is_read, found = pcall(cjson.decode, spec)
  return is_read and type(found.settings) == 'table' and found.settings.images or {}
end

-- Returns whether an object is stored and will be kept as long as a job uses it: a job uses it, or a request holds it.
local function is_input_kept(object)
  return redis.call('EXISTS', P .. 'input_uses:' .. object) == 1
    or redis.call('ZSCORE', P .. 'inputs_unused', object) ~= false
end

-- Records that the job with this spec (JSON) uses its condition images.
local function use_inputs(job, spec)
  for _, object in ipairs(inputs_of(spec)) do redis.call('SADD', P .. 'input_uses:' .. object, job) end
end

-- Records that a job no longer uses an object. With its last job the object becomes due for deletion, unless a request
-- holds it.
local function drop_input(job, object)
  local key = P .. 'input_uses:' .. object
  if redis.call('SREM', key, job) == 1 and redis.call('EXISTS', key) == 0 then
    redis.call('ZADD', P .. 'inputs_unused', 'GT', now_ms(), object)
  end
end

-- Records that a job, whose record still exists, no longer uses its condition images.
local function drop_inputs(job)
  for _, object in ipairs(inputs_of(redis.call('HGET', P .. 'job:' .. job, 'spec'))) do drop_input(job, object) end
end

-- Makes an object due for deletion that no job uses. From now on no request gets this object.
local function doom_input(object)
  local tenant, digest = string.match(object, '^inputs/([^/]+)/(%x+)')
  if tenant and redis.call('HGET', P .. 'input_names:' .. tenant, digest) == object then
    redis.call('HDEL', P .. 'input_names:' .. tenant, digest)
  end
  local sizes = tenant and P .. 'input_bytes:' .. tenant
  local num_bytes = sizes and redis.call('HGET', sizes, object)
  if num_bytes then
    redis.call('HDEL', sizes, object)
    count_stored(tenant, -num_bytes)
  end
  redis.call('ZADD', P .. 'inputs_doomed', now_ms(), object)
end
