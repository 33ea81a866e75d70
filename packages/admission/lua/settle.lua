-- Turns the holds of calls into what they truly cost.
--
-- KEYS  1 tl:{tag}:account
-- ARGV  for each call: request id, amount in nano-USD, tokens it used or '' to leave what was counted
-- Returns a text, for each call: 1 settled | 2 settled before | 0 missing, then the amount, then what was asked above the hold: the
--         caller's error, and not charged to anyone. The three are joined by colons, and calls by bars.
--
-- Invariant: a settled amount never exceeds the hold it replaces, so settling cannot carry a scope above its limit. It
-- happens once per request id: a repetition reports the first amount and changes nothing. The call leaves the key's calls
-- in flight, and its tokens are corrected as long as they count.
local SETTLE_FIELDS = 3

-- Entries by request id, of those that are there.
local function readEntries(ids)
  local known = {}
  local entries = call('HMGET', account.open, unpack(ids))
  for at = 1, #ids do known[ids[at]] = entries[at] end
  return known
end

local function correctTokens(id, entry, counted, used)
  local keyId, admittedMs = match(entry, '^%a|%d+|window:([^:]+)[^|]*|[^|]+|[^|]+|(%d+)')
  local logKey = prefix .. 'tpm:' .. keyId
  if not call('ZSCORE', logKey, id .. '|' .. counted) then return end
  -- The new member first: a log that is empty in between would lose its expiry.
  call('ZADD', logKey, admittedMs, id .. '|' .. used)
  call('ZREM', logKey, id .. '|' .. counted)
  call('INCRBY', prefix .. 'tpmsum:' .. keyId, textOf(tonumber(used) - tonumber(counted)))
end

-- Ends one call; its entry then says so in `known` and in `write`.
local function settleCall(id, wantedText, used, known, write)
  local entry = known[id]
  if not entry then return '0:0:0' end
  local state, heldText, places, at = match(entry, ENTRY)
  if state ~= 'h' then return '2:' .. heldText .. ':0' end
  local wanted, held = numberOf(wantedText), numberOf(heldText)
  local amount, amountText, excess = wanted, wantedText, 0
  if wanted > held then amount, amountText, excess = held, heldText, wanted - held end
  local marks, project = marksOf(entry, at)
  changeEntry(places, marks, project, -held, amount, true)
  local counted = marks and match(marks, 't(%d+)')
  if counted and used ~= '' and used ~= counted then correctTokens(id, entry, counted, used) end
  local settled = 's|' .. amountText .. sub(entry, 3 + #heldText)
  known[id], write[#write + 1], write[#write + 2] = settled, id, settled
  return excess == 0 and '1:' .. amountText .. ':0' or '1:' .. amountText .. ':' .. textOf(excess)
end

-- Ends the calls of the arguments from `first` to `last`.
local function settleCalls(args, first, last, known, write)
  local outcomes = {}
  for at = first, last, SETTLE_FIELDS do
    outcomes[#outcomes + 1] = settleCall(args[at], args[at + 1], args[at + 2], known, write)
  end
  return table.concat(outcomes, '|')
end

local function settle(KEYS, ARGV)
  beginRun(KEYS[1])
  local ids = {}
  for at = 1, #ARGV, SETTLE_FIELDS do ids[#ids + 1] = ARGV[at] end
  local known, write = readEntries(ids), { 'HSET', account.open }
  local settled = settleCalls(ARGV, 1, #ARGV, known, write)
  if #write > 2 then call(unpack(write)) end
  writeScopes()
  return settled
end
