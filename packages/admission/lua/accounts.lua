-- What a run finds out about an account and its scopes, and what it adds to them or takes from them. It comes after entry.lua.
--
-- Names, parsed texts and tables are kept from run to run, because to make them anew costs more than all else that a run does.
-- They say nothing about the state: what a scope, a key or a log is like is read in each run, and whatever was worked out from
-- a text is used only while Redis holds that very text.
local CACHED_MAX = 20000
local accounts, cached = {}, 0
-- Of this run: its account, the names that its keys begin with, the time, and when the account's epoch opened.
local runNumber, account, prefix, now, openedMs = 0, nil, nil, nil, nil
-- Scopes that this run adds to. Behind `usedCount` lies what earlier runs left.
local usedScopes, usedCount = {}, 0

-- Begins a run. `name` is tl:{tag}:account.
local function beginRun(name)
  if not call then bind() end
  runNumber, usedCount = runNumber + 1, 0
  if cached > CACHED_MAX then accounts, cached = {}, 0 end
  account = accounts[name]
  if not account then
    prefix = sub(name, 1, -8)
    account = { prefix = prefix, open = prefix .. 'open', index = prefix .. 'scopes', scopes = {}, places = {}, keys = {}, logs = {} }
    accounts[name], cached = account, cached + 1
  end
  prefix = account.prefix
end

-- A text as a number: Redis's Lua takes longer to read one than to look it up.
local NUMBERS_MAX = 5000
local numbers, numberCount = {}, 0
local function numberOf(text)
  local number = numbers[text]
  if not number then
    number = tonumber(text)
    if numberCount >= NUMBERS_MAX then numbers, numberCount = {}, 0 end
    numbers[text], numberCount = number, numberCount + 1
  end
  return number
end

local function readTime()
  local time = redis.call('TIME')
  now = numberOf(time[1]) * 1000 + floor(time[2] / 1000)
end

-- The scope of that name, with nothing known of it in this run.
local function scopeNamed(name)
  local scope = account.scopes[name]
  if not scope then
    -- All fields at once: a table that grows is built anew.
    scope = { name = name, key = prefix .. 'scope:' .. name, run = 0, beganMs = false, endMs = false, spent = 0, held = 0, settled = 0,
      added = 0, settledAdded = 0, calls = 0, limit = false, isRead = false, total = false, hasVersion = false,
      isRegistered = false, isNew = false, isUsed = false, isOpened = false, heldText = false, heldKnown = 0, settledText = false,
      settledKnown = 0, spentText = false, spentKnown = 0 }
    account.scopes[name], cached = scope, cached + 1
  end
  if scope.run ~= runNumber then
    -- The other fields say something once the scope is read.
    scope.run, scope.added, scope.settledAdded, scope.calls, scope.limit = runNumber, 0, 0, 0, false
    scope.isRead, scope.isNew, scope.isUsed, scope.isOpened = false, false, false, false
  end
  return scope
end

-- Reads a scope, once. Its total is false when this Redis cannot know it: an absent total is 0 only if the scope began after this
-- epoch opened and nothing of it was acknowledged meanwhile (a version without a total says so). "After" is believed by a
-- margin only: a scope that began by a clock which was ahead may have been spent from before Redis was lost.
local CLOCK_MARGIN_MS = 60000
local function readScope(scope, beganMs)
  if not scope.isRead then
    local fields = call('HMGET', scope.key, 'total', 'settled', 'held')
    local totalText, settledText, heldText = fields[1], fields[2], fields[3]
    if settledText ~= scope.settledText then
      scope.settledText, scope.settledKnown = settledText, tonumber(settledText) or 0
    end
    if heldText ~= scope.heldText then
      scope.heldText, scope.heldKnown = heldText, tonumber(heldText) or 0
    end
    scope.total = totalText and numberOf(totalText)
    scope.hasVersion = totalText or call('HGET', scope.key, 'version')
    -- Whoever held before has registered it.
    scope.isRead, scope.isRegistered, scope.settled = true, heldText, scope.settledKnown
    scope.spent, scope.held = (scope.total or 0) + scope.settled + scope.settledAdded, scope.heldKnown + scope.added
  end
  if not scope.total and not scope.hasVersion and beganMs > openedMs + CLOCK_MARGIN_MS then
    scope.total, scope.isNew = 0, true
  end
  return scope
end

-- The same scope as an admission knows it, which may have to register it.
local function openScope(name, beganMs, endMs)
  local scope = scopeNamed(name)
  scope.beganMs, scope.endMs, scope.isOpened = beganMs, endMs, true
  return scope
end

-- Adds to what is held and settled in a scope, here; all scopes are written at the end.
local function change(scope, held, settled)
  if not scope.isUsed then
    scope.isUsed, usedCount = true, usedCount + 1
    usedScopes[usedCount] = scope
  end
  scope.added, scope.settledAdded = scope.added + held, scope.settledAdded + settled
  scope.held, scope.spent = scope.held + held, scope.spent + settled
end

-- Amounts in every scope that an entry counts in. One that was held until now is in flight no more.
local function changeEntry(placesText, marks, project, held, settled, wasHeld)
  local places = account.places[placesText]
  if not places then
    places = { match(placesText, '^([^|]+)|(.+)$') }
    account.places[placesText], cached = places, cached + 1
  end
  local window = scopeNamed(places[1])
  change(window, held, settled)
  change(scopeNamed(places[2]), held, settled)
  if project then change(scopeNamed(project), held, settled) end
  if marks then
    if find(marks, 'b', 1, true) then change(scopeNamed('balance'), held, settled) end
    if wasHeld and find(marks, 'c', 1, true) then window.calls = window.calls - 1 end
  end
end

-- What a scope's held and spent amounts are, as text.
local function heldTextOf(scope)
  if scope.held ~= scope.heldKnown or not scope.heldText then
    scope.heldKnown, scope.heldText = scope.held, textOf(scope.held)
  end
  return scope.heldText
end
local function spentTextOf(scope)
  if scope.spent ~= scope.spentKnown or not scope.spentText then
    scope.spentKnown, scope.spentText = scope.spent, textOf(scope.spent)
  end
  return scope.spentText
end

-- Writes what the run added to a scope. By HINCRBY with the amount as text: Redis writes a number with 17 digits first, at three
-- times the price. The index lets a rebuild find every scope, and the end lets the clean-up know when a scope is past. A zero
-- total is written down (version 0, as metering counts a scope without a row), so that acknowledgements find a total to raise.
-- A scope that was not read is looked at when nothing else was held in it: whoever held before has registered it.
local function writeScope(scope)
  local key, settled = scope.key, scope.settledAdded
  if scope.calls ~= 0 then call('HINCRBY', key, 'calls', textOf(scope.calls)) end
  if not scope.isRead then
    local added = scope.added
    if settled ~= 0 then call('HINCRBY', key, 'settled', textOf(settled)) end
    if added == 0 and (settled ~= 0 or not scope.isOpened) then return end
    if call('HINCRBY', key, 'held', textOf(added)) ~= added or not scope.isOpened then return end
    if call('HEXISTS', key, 'endMs') == 1 then return end
    scope.added, scope.settledAdded, settled = 0, 0, 0
    readScope(scope, scope.beganMs)
    scope.isRegistered = false
  end
  if scope.isOpened and (scope.isNew or not scope.isRegistered) then
    call('SADD', account.index, scope.name)
    call('HSET', key, 'endMs', textOf(scope.endMs))
    if scope.isNew then call('HSET', key, 'total', '0', 'version', '0') end
  end
  local heldText = heldTextOf(scope)
  if settled == 0 then
    call('HSET', key, 'held', heldText)
  else
    call('HSET', key, 'held', heldText, 'settled', textOf(scope.settled + settled))
  end
end

local function writeScopes()
  for at = 1, usedCount do writeScope(usedScopes[at]) end
end
