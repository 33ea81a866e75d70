-- Writes what admission needs to know of a key.
--
-- KEYS  1 tl:{tag}:key:<keyHash>   2 tl:{tag}:keys
-- ARGV  1 version   then field, value, ... of the projection
-- Returns the version that Redis holds afterwards.
--
-- Invariant: an older projection never overwrites a newer one, so late and repeated deliveries are harmless. The whole
-- hash is replaced, so that a model taken off the allowlist is gone. A key that is revoked or has expired is forgotten a day
-- later, or minting and revoking would fill Redis for ever: whoever calls with it has the control plane asked, and it comes
-- back revoked. The day outlasts by far every delivery that could still bring an older projection.
local FIELDS_PER_CALL, FORGET_AFTER_MS, INDEX_LOOKS = 1000, 86400000, 4

local version = tonumber(ARGV[1])
local known = tonumber(redis.call('HGET', KEYS[1], 'version') or '0')
if known >= version then return known end
redis.call('DEL', KEYS[1])
for first = 2, #ARGV, FIELDS_PER_CALL do
  redis.call('HSET', KEYS[1], unpack(ARGV, first, math.min(first + FIELDS_PER_CALL - 1, #ARGV)))
end
redis.call('HSET', KEYS[1], 'version', version)

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ends = redis.call('HMGET', KEYS[1], 'revoked', 'expiresAtMs')
local usableMs = ends[1] == '1' and 0 or math.max(0, (tonumber(ends[2]) or now) - now)
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', usableMs + FORGET_AFTER_MS))
-- The index lets a rebuild forget projections of another epoch: a restored Redis may know a revoked key as valid.
redis.call('SADD', KEYS[2], KEYS[1])
-- A few looks per new name keep the names of forgotten keys below a third of the index.
for _, name in ipairs(redis.call('SRANDMEMBER', KEYS[2], INDEX_LOOKS)) do
  if redis.call('EXISTS', name) == 0 then redis.call('SREM', KEYS[2], name) end
end
return version
