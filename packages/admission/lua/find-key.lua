-- Reads a key for what is not admitted (the model list, requests that no call can be made of), by the same rules as admission, and
-- what its limits leave.
--
-- KEYS  1 tl:{tag}:account
-- ARGV  1 run id of the Redis process, as the caller knows it   2 hash of the key
-- Returns { 'unknown_epoch' | 'unknown_key', now } | { 'key_revoked' | 'key_expired', now, keyId, accountId }
--         | { 'found', now, keyId, accountId, left (see seldom.leftText), how many scopes are unknown, these scopes, model, ... }
--         ("*" = every model)
--
-- Invariant: reads only, so that it answers where Redis refuses to write.
local ANY_MODEL = { field = 'm:*' }

local function findKey(KEYS, ARGV)
  -- Tags that somebody made up leave no table behind.
  if not call then bind() end
  readTime()
  local state = call('HMGET', KEYS[1], 'epoch', 'epochOpenedMs')
  if state[1] ~= ARGV[1] then return { 'unknown_epoch', now } end
  beginRun(KEYS[1])
  mayWrite, openedMs, args, today, accountRate = false, numberOf(state[2]), NONE, nil, nil

  local key = keyOf(ARGV[2], ANY_MODEL)
  if not key.id then return { 'unknown_key', now } end
  if key.isRevoked then return { 'key_revoked', now, key.id, key.accountId } end
  if now >= key.expiresMs then return { 'key_expired', now, key.id, key.accountId } end
  openPeriod(key)
  local unknown = key.isUnknown and seldom.unknownScopes(key) or NONE
  local reply = { 'found', now, key.id, key.accountId, seldom.leftText(key), #unknown }
  for at = 1, #unknown do reply[#reply + 1] = unknown[at] end
  for _, field in ipairs(call('HKEYS', key.name)) do
    if sub(field, 1, 2) == 'm:' then reply[#reply + 1] = sub(field, 3) end
  end
  return reply
end
