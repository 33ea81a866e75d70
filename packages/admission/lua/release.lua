-- Gives back the hold of a call that will cost nothing and of which metering will never hear.
--
-- KEYS  1 tl:{tag}:account
-- ARGV  1 request id
-- Returns { 'released', amount } | { 'already_settled', amount } | { 'missing', 0 }
--
-- Invariant: only a hold is released. A settled amount stays until metering's total includes it, or it would be unspent
-- for a while. The call still counts against the rate limit: it was admitted. It used no tokens and is in flight no more.
local function release(KEYS, ARGV)
  beginRun(KEYS[1])
  local id = ARGV[1]
  local entry = call('HGET', account.open, id)
  if not entry then return { 'missing', 0 } end
  local state, amountText, places, at = match(entry, ENTRY)
  local amount = tonumber(amountText)
  if state ~= 'h' then return { 'already_settled', amount } end

  local marks, project = marksOf(entry, at)
  changeEntry(places, marks, project, -amount, 0, true)
  if marks then
    local counted, keyId = match(marks, 't(%d+)'), match(places, '^window:([^:]+)')
    if counted and call('ZREM', prefix .. 'tpm:' .. keyId, id .. '|' .. counted) == 1 then
      call('DECRBY', prefix .. 'tpmsum:' .. keyId, counted)
    end
  end
  call('HDEL', account.open, id)
  writeScopes()
  return { 'released', amount }
end
