-- Gives back the hold of a call that will cost nothing and of which metering will never hear.
--
-- KEYS  1 tl:{tag}:open
-- ARGV  1 prefix "tl:{tag}:"   2 request id
-- Returns { 'released', amount } | { 'already_settled', amount } | { 'missing', 0 }
--
-- Invariant: only a hold is released. A settled amount stays until metering's total includes it, or it would be unspent
-- for a while. The call still counts against the rate limit: it was admitted. It used no tokens and is in flight no more.
local prefix, id = ARGV[1], ARGV[2]
local entry = redis.call('HGET', KEYS[1], id)
if not entry then return { 'missing', 0 } end
local state, amount, window, day, tail = readEntry(entry)
if state ~= 'h' then return { 'already_settled', amount } end

local marks, project = marksOf(tail)
changeScopes(-amount, 0, window, day, marks, project)
endFlight(window, marks)
if marks then
  local counted, keyId = string.match(marks, 't(%d+)'), string.match(window, '^window:([^:]+)')
  if counted and redis.call('ZREM', prefix .. 'tpm:' .. keyId, id .. '|' .. counted) == 1 then
    redis.call('DECRBY', prefix .. 'tpmsum:' .. keyId, counted)
  end
end
redis.call('HDEL', KEYS[1], id)
writeChanges(prefix)
return { 'released', amount }
