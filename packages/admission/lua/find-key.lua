-- Reads a key for calls that are not admitted (the model list), by the same rules as admission.
--
-- KEYS  1 tl:{tag}:account   2 tl:{tag}:key:<keyHash>
-- ARGV  1 run id of the Redis process, as the caller knows it
-- Returns { 'unknown_epoch' | 'unknown_key', now } | { 'key_revoked' | 'key_expired', now, keyId, accountId }
--         | { 'found', now, keyId, accountId, model, ... } ("*" = every model)
--
-- Invariant: reads only.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return { 'unknown_epoch', now } end

local key = redis.call('HMGET', KEYS[2], 'keyId', 'accountId', 'revoked', 'expiresAtMs')
if not key[1] then return { 'unknown_key', now } end
if key[3] == '1' then return { 'key_revoked', now, key[1], key[2] } end
if now >= tonumber(key[4]) then return { 'key_expired', now, key[1], key[2] } end
local reply = { 'found', now, key[1], key[2] }
for _, field in ipairs(redis.call('HKEYS', KEYS[2])) do
  if string.sub(field, 1, 2) == 'm:' then reply[#reply + 1] = string.sub(field, 3) end
end
return reply
