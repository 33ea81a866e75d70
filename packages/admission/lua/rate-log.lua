-- A log of admissions that answers, exactly, how many fall into the last 60 s: the beginning of scripts that ask it.
--
-- A hash. Field <n>, counted up from 0, is one entry, 'ms:calls so far' (those of the entry included; several calls of one
-- run are one entry). Field s is 'oldest entry:next entry:its ms:its calls so far:newest ms:calls before it:calls so far'
-- ("its": of the oldest entry that counts). An entry counts while it is less than 60 s old. The difference of two running
-- sums is what lies between them, so no call has to walk the log: one that leaves costs one look at its successor.
local RATE_MS = 60000
-- The log is kept for longer than its entries count, and so is told to stay only where a new half minute has begun.
local RATE_KEEP_MS, RATE_RENEW_MS = 120000, 30000
-- Entries that have left are deleted in blocks.
local RATE_BLOCK, RATE_DELETE_MAX = 16, 1000
-- A clock that was set back by more makes the log begin anew, with all that counts in it as of now: too strict for a
-- minute, never too generous. By less: entries carry the newest time there was.
local RATE_STEP_BACK_MS = 1000

local function rateEntry(log, number)
  local ms, sum = match(call('HGET', log.key, textOf(number)), '^(%d+):(%d+)$')
  return tonumber(ms), tonumber(sum)
end

-- The first entry behind `low` of which `isIt(ms, sum)` is true: it is false of `low` and true of the newest one, and does not
-- change back in between. Returns its number, ms and sum, and the sum of the one before it.
local function findRateEntry(log, low, lowSum, isIt)
  local high, highMs, highSum, step = nil, nil, nil, 1
  while not high or high - low > 1 do
    local at = high and floor((low + high) / 2) or min(low + step, log.next - 1)
    local ms, sum = rateEntry(log, at)
    if isIt(ms, sum) then
      high, highMs, highSum = at, ms, sum
    else
      low, lowSum, step = at, sum, step * 2
    end
  end
  return high, highMs, highSum, lowSum
end

-- All fields at once: a table that grows is built anew.
local function newRateLog(key)
  return { key = key, oldest = 0, next = 0, oldestMs = 0, oldestSum = 0, newestMs = 0, before = 0, sum = 0, added = 0,
    storedFrom = false, isPast = false, lost = 0, lostKey = false, state = false,
    textOldest = false, textMs = 0, textSum = 0, textBefore = 0, oldestText = '', sinceText = '', beforeText = '', nextKnown = false, nextText = '' }
end

-- Reads where the log stands. What was read or written last time is not parsed again while Redis holds that very text, which is
-- forgotten before anything here is made to say other than it: a run may end in between.
local function readRateLog(log, now)
  local state, known = call('HGET', log.key, 's'), log.state
  log.state, log.added, log.isPast, log.lost, log.storedFrom = state, 0, false, 0, false
  if not state then
    log.oldest, log.next, log.oldestMs, log.oldestSum, log.newestMs, log.before, log.sum = 0, 0, 0, 0, 0, 0, 0
    return
  end
  if state ~= known then
    local oldest, next, oldestMs, oldestSum, newestMs, before, sum =
      match(state, '^(%d+):(%d+):(%d+):(%d+):(%d+):(%d+):(%d+)$')
    log.oldest, log.next, log.oldestMs, log.oldestSum = tonumber(oldest), tonumber(next), tonumber(oldestMs), tonumber(oldestSum)
    log.newestMs, log.before, log.sum = tonumber(newestMs), tonumber(before), tonumber(sum)
  end
  if log.newestMs <= now - RATE_MS then
    log.isPast, log.state = true, false
    log.oldest, log.next, log.oldestMs, log.oldestSum, log.before, log.sum = 0, 0, 0, 0, 0, 0
    return
  end
  log.storedFrom = log.oldest
  if log.oldestMs <= now - RATE_MS then
    log.state = false
    local function counts(ms) return ms > now - RATE_MS end
    log.oldest, log.oldestMs, log.oldestSum, log.before = findRateEntry(log, log.oldest, log.oldestSum, counts)
  end
end

-- Calls that count now.
local function rateUsed(log) return log.sum + log.added - log.before end

-- When the entry leaves with which fewer than `limit` calls count. There are `limit` at least. A limit may have been lowered, so
-- that this need not be the oldest entry.
local function rateLeavesAtMs(log, limit, now)
  local wanted = log.sum + log.added - limit + 1
  local leavesMs = log.oldestMs
  if wanted > log.sum then
    leavesMs = max(now, log.newestMs)
  elseif log.oldestSum < wanted then
    local function isEnough(_, sum) return sum >= wanted end
    local _, ms = findRateEntry(log, log.oldest, log.oldestSum, isEnough)
    leavesMs = ms
  end
  return leavesMs + RATE_MS
end

-- When none counts any more.
local function rateEndsAtMs(log, now)
  return (log.added > 0 and max(now, log.newestMs) or log.newestMs) + RATE_MS
end

-- Begins the log anew with so many calls as of now.
local function restartRateLog(log, calls, now)
  log.state = false
  call('DEL', log.key)
  log.oldest, log.next, log.oldestMs, log.oldestSum = 0, 0, 0, 0
  log.newestMs, log.before, log.sum, log.storedFrom, log.isPast = 0, 0, 0, 0, false
  log.added = calls
end

-- Where the log stands once it is written. Of the oldest entry it says the same for as long as that stays: no number is made a text
-- twice.
local function stateText(log, msText, sumText)
  if log.textOldest ~= log.oldest or log.textMs ~= log.oldestMs or log.textSum ~= log.oldestSum or log.textBefore ~= log.before then
    log.textOldest, log.textMs, log.textSum, log.textBefore = log.oldest, log.oldestMs, log.oldestSum, log.before
    log.oldestText, log.sinceText, log.beforeText = textOf(log.oldest), format('%d:%d', log.oldestMs, log.oldestSum), textOf(log.before)
  end
  return log.oldestText .. ':' .. log.nextText .. ':' .. log.sinceText .. ':' .. msText .. ':' .. log.beforeText .. ':' .. sumText
end

-- Writes what was added.
local function writeRateLog(log, now)
  local added, ms = log.added, now
  if added == 0 then return end
  if log.isPast then restartRateLog(log, added, now) end
  if log.newestMs > ms then ms = log.newestMs end
  local isNewHalf = ms - ms % RATE_RENEW_MS ~= log.newestMs - log.newestMs % RATE_RENEW_MS
  local sum, number = log.sum + added, log.next
  log.state, log.sum, log.added = false, sum, 0
  if log.oldest == number then log.oldestMs, log.oldestSum = ms, sum end
  local numberText = log.nextKnown == number and log.nextText or textOf(number)
  local msText, sumText = textOf(ms), textOf(sum)
  log.nextKnown, log.nextText = number + 1, textOf(number + 1)
  local state = stateText(log, msText, sumText)
  call('HSET', log.key, numberText, msText .. ':' .. sumText, 's', state)
  log.next, log.newestMs = number + 1, ms
  if isNewHalf then call('PEXPIRE', log.key, RATE_KEEP_MS) end
  -- Blocks behind the oldest entry were deleted when it left them.
  local from = log.storedFrom or 0
  from = from - from % RATE_BLOCK
  local to = log.oldest - log.oldest % RATE_BLOCK
  for first = from, to - 1, RATE_DELETE_MAX do
    local gone = { 'HDEL', log.key }
    for entry = first, min(first + RATE_DELETE_MAX, to) - 1 do gone[#gone + 1] = textOf(entry) end
    call(unpack(gone))
  end
  log.storedFrom, log.state = log.oldest, state
end
