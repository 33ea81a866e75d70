-- Turns the hold of a call into what the call truly costs.
--
-- KEYS  1 tl:{tag}:open
-- ARGV  1 prefix "tl:{tag}:"   2 request id   3 amount in nano-USD   4 tokens it used, or '' to leave what was counted
-- Returns { 'settled', amount, excess } | { 'already_settled', amount, 0 } | { 'missing', 0, 0 }
--       excess is what the amount stood above the hold: the caller's error, and not charged to anyone.
--
-- Invariant: a settled amount never exceeds the hold it replaces, so settling cannot carry a scope above its limit. It
-- happens once per request id: a repetition reports the first amount and changes nothing. The call leaves the key's calls
-- in flight, and its tokens are corrected as long as they count.
local prefix, id = ARGV[1], ARGV[2]
local entry = redis.call('HGET', KEYS[1], id)
if not entry then return { 'missing', 0, 0 } end
local state, held, window, day, tail = string.match(entry, '^(%a)|(%d+)|([^|]+)|([^|]+)|(.+)$')
held = tonumber(held)
if state ~= 'h' then return { 'already_settled', held, 0 } end

local wanted = tonumber(ARGV[3])
local amount = math.min(wanted, held)
local marks = string.match(tail, '|(%a%w*)$')
local scopes = { window, day }
if marks and string.find(marks, 'b', 1, true) then scopes[3] = 'balance' end
for _, scope in ipairs(scopes) do
  local scopeKey = prefix .. 'scope:' .. scope
  redis.call('HINCRBY', scopeKey, 'held', 0 - held)
  redis.call('HINCRBY', scopeKey, 'settled', amount)
end
if marks then
  if string.find(marks, 'c', 1, true) then redis.call('HINCRBY', prefix .. 'scope:' .. window, 'calls', -1) end
  local counted = string.match(marks, 't(%d+)')
  if counted and ARGV[4] ~= '' and ARGV[4] ~= counted then
    local keyId, admittedMs = string.match(window, '^window:([^:]+)'), string.match(tail, '^[^|]+|(%d+)')
    local logKey = prefix .. 'tpm:' .. keyId
    if redis.call('ZSCORE', logKey, id .. '|' .. counted) then
      -- The new member first: a log that is empty in between would lose its expiry.
      redis.call('ZADD', logKey, admittedMs, id .. '|' .. ARGV[4])
      redis.call('ZREM', logKey, id .. '|' .. counted)
      redis.call('INCRBY', prefix .. 'tpmsum:' .. keyId, string.format('%.0f', tonumber(ARGV[4]) - tonumber(counted)))
    end
  end
end
redis.call('HSET', KEYS[1], id, string.format('s|%.0f|%s|%s|%s', amount, window, day, tail))
return { 'settled', amount, wanted - amount }
