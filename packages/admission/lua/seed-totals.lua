-- Writes committed totals that were fetched from metering.
--
-- KEYS  1 tl:{tag}:account   2 tl:{tag}:scopes
-- ARGV  1 prefix "tl:{tag}:"   2 run id of the Redis process, as the caller knows it   then scope, total, version for each
-- Returns the count written, or -1 when this account's epoch is not open (a rebuild would delete them again).
--
-- Invariant: a total is written when it is absent or its version is newer; an answer that was overtaken by an
-- acknowledgement on its way changes nothing.
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[2] then return -1 end
local written = 0
for index = 3, #ARGV, 3 do
  local scopeKey = ARGV[1] .. 'scope:' .. ARGV[index]
  local known = redis.call('HMGET', scopeKey, 'total', 'version')
  local version, knownVersion = tonumber(ARGV[index + 2]), tonumber(known[2]) or -1
  -- A version without a total: acknowledge.lua forgot it, so the same version fetched again is news.
  if version > knownVersion or (not known[1] and version == knownVersion) then
    redis.call('HSET', scopeKey, 'total', ARGV[index + 1], 'version', version)
    redis.call('SADD', KEYS[2], ARGV[index])
    written = written + 1
  end
end
return written
