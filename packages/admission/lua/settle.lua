-- Turns the holds of calls into what they truly cost.
--
-- KEYS  1 tl:{tag}:open
-- ARGV  1 prefix "tl:{tag}:"   then for each call: request id, amount in nano-USD, tokens it used or '' to leave what was counted
-- Returns for each call: 1 settled | 2 settled before | 0 missing, then the amount, then what was asked above the hold: the
--         caller's error, and not charged to anyone.
--
-- Invariant: a settled amount never exceeds the hold it replaces, so settling cannot carry a scope above its limit. It
-- happens once per request id: a repetition reports the first amount and changes nothing. The call leaves the key's calls
-- in flight, and its tokens are corrected as long as they count.
local CALL_FIELDS = 3
local MISSING, SETTLED, SETTLED_BEFORE = 0, 1, 2
local prefix, ids = ARGV[1], {}
for at = 2, #ARGV, CALL_FIELDS do ids[#ids + 1] = ARGV[at] end

local function correctTokens(id, window, tail, counted, used)
  local keyId, admittedMs = string.match(window, '^window:([^:]+)'), string.match(tail, '^[^|]+|(%d+)')
  local logKey = prefix .. 'tpm:' .. keyId
  if not redis.call('ZSCORE', logKey, id .. '|' .. counted) then return end
  -- The new member first: a log that is empty in between would lose its expiry.
  redis.call('ZADD', logKey, admittedMs, id .. '|' .. used)
  redis.call('ZREM', logKey, id .. '|' .. counted)
  redis.call('INCRBY', prefix .. 'tpmsum:' .. keyId, textOf(tonumber(used) - tonumber(counted)))
end

local entries, settledNow = redis.call('HMGET', KEYS[1], unpack(ids)), {}
local reply, write = {}, { 'HSET', KEYS[1] }
for index = 1, #ids do
  local id = ids[index]
  local wanted, used = tonumber(ARGV[index * CALL_FIELDS]), ARGV[index * CALL_FIELDS + 1]
  local outcome, amount, excess = MISSING, 0, 0
  if settledNow[id] then
    outcome, amount = SETTLED_BEFORE, settledNow[id]
  elseif entries[index] then
    local state, held, window, day, tail = readEntry(entries[index])
    outcome, amount = SETTLED_BEFORE, held
    if state == 'h' then
      outcome, amount = SETTLED, math.min(wanted, held)
      excess = wanted - amount
      settledNow[id] = amount
      local marks, project = marksOf(tail)
      changeScopes(-held, amount, window, day, marks, project)
      endFlight(window, marks)
      local counted = marks and string.match(marks, 't(%d+)')
      if counted and used ~= '' and used ~= counted then correctTokens(id, window, tail, counted, used) end
      write[#write + 1] = id
      write[#write + 1] = string.format('s|%d|%s|%s|%s', amount, window, day, tail)
    end
  end
  local at = (index - 1) * CALL_FIELDS
  reply[at + 1], reply[at + 2], reply[at + 3] = outcome, amount, excess
end
if #write > 2 then redis.call(unpack(write)) end
writeChanges(prefix)
return reply
