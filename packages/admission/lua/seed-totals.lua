-- Writes committed totals that were fetched from metering.
--
-- KEYS  1 tl:{tag}:account   2 tl:{tag}:scopes
-- ARGV  1 prefix "tl:{tag}:"   2 run id of the Redis process, as the caller knows it
--       3 the server's time at the refusal that made the caller ask, in ms; '' = just now
--       then scope, total, version, limit ('' = it has none) for each
-- Returns the count written, or -1 when this account's epoch is not open (a rebuild would delete them again).
--
-- Invariant: a known total is replaced by a newer version only. An unknown one is replaced only by an answer to a question
-- asked since it became unknown (the epoch opened, or acknowledge.lua forgot it): an earlier answer may lack calls whose
-- pending amounts are gone. What comes too late is dropped, and the next admission asks again.
local account = redis.call('HMGET', KEYS[1], 'epoch', 'epochOpenedMs')
if account[1] ~= ARGV[2] then return -1 end
local askedMs = tonumber(ARGV[3]) or math.huge
local written = 0
for index = 4, #ARGV, 4 do
  local scopeKey, version = ARGV[1] .. 'scope:' .. ARGV[index], tonumber(ARGV[index + 2])
  local known = redis.call('HMGET', scopeKey, 'total', 'version', 'forgottenMs')
  local knownVersion = tonumber(known[2]) or -1
  local isNews = version > knownVersion
  if not known[1] then
    isNews = version >= knownVersion and askedMs >= tonumber(account[2]) and askedMs >= (tonumber(known[3]) or 0)
  end
  if isNews then
    redis.call('HSET', scopeKey, 'total', ARGV[index + 1], 'version', version)
    if ARGV[index + 3] ~= '' then redis.call('HSET', scopeKey, 'limit', ARGV[index + 3]) end
    redis.call('SADD', KEYS[2], ARGV[index])
    written = written + 1
  end
end
return written
