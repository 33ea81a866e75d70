-- Turns the hold of a call into what the call truly costs.
--
-- KEYS  1 tl:{tag}:open
-- ARGV  1 prefix "tl:{tag}:"   2 request id   3 amount in nano-USD
-- Returns { 'settled', amount, excess } | { 'already_settled', amount, 0 } | { 'missing', 0, 0 }
--       excess is what the amount stood above the hold: the caller's error, and not charged to anyone.
--
-- Invariant: a settled amount never exceeds the hold it replaces, so settling cannot carry a scope above its limit. It
-- happens once per request id: a repetition reports the first amount and changes nothing.
local prefix, id = ARGV[1], ARGV[2]
local entry = redis.call('HGET', KEYS[1], id)
if not entry then return { 'missing', 0, 0 } end
local state, held, window, day, tail = string.match(entry, '^(%a)|(%d+)|([^|]+)|([^|]+)|(.+)$')
held = tonumber(held)
if state ~= 'h' then return { 'already_settled', held, 0 } end

local wanted = tonumber(ARGV[3])
local amount = math.min(wanted, held)
for _, scope in ipairs({ window, day }) do
  local scopeKey = prefix .. 'scope:' .. scope
  redis.call('HINCRBY', scopeKey, 'held', 0 - held)
  redis.call('HINCRBY', scopeKey, 'settled', amount)
end
redis.call('HSET', KEYS[1], id, string.format('s|%.0f|%s|%s|%s', amount, window, day, tail))
return { 'settled', amount, wanted - amount }
