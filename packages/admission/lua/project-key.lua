-- Writes what admission needs to know of a key.
--
-- KEYS  1 tl:{tag}:key:<keyHash>   2 tl:{tag}:keys
-- ARGV  1 version   then field, value, ... of the projection
-- Returns the version that Redis holds afterwards.
--
-- Invariant: an older projection never overwrites a newer one, so late and repeated deliveries are harmless. The whole
-- hash is replaced, so that a model taken off the allowlist is gone.
local FIELDS_PER_CALL = 1000

local version = tonumber(ARGV[1])
local known = tonumber(redis.call('HGET', KEYS[1], 'version') or '0')
if known >= version then return known end
redis.call('DEL', KEYS[1])
for first = 2, #ARGV, FIELDS_PER_CALL do
  redis.call('HSET', KEYS[1], unpack(ARGV, first, math.min(first + FIELDS_PER_CALL - 1, #ARGV)))
end
redis.call('HSET', KEYS[1], 'version', version)
-- The index lets a rebuild forget projections of another epoch: a restored Redis may know a revoked key as valid.
redis.call('SADD', KEYS[2], KEYS[1])
return version
