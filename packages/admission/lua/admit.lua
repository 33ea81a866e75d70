-- Admits calls and places their holds, or says why not. The whole admission of a call is this one atomic step; calls of one
-- account that came at the same time share it, each as if it had come after those before it.
--
-- KEYS  1 tl:{tag}:account   2 tl:{tag}:open   3 tl:{tag}:scopes
--       The names of projections, scopes and logs depend on the calls, on TIME and on their keys' ids, so they are built here
--       from ARGV[1]; they carry the same hash tag, hence the same slot.
-- ARGV  1 prefix "tl:{tag}:"   2 run id of the Redis process, as the caller knows it   3 a day, counted from 1970, and   4 its
--       UTC date: most likely today, which is worked out here otherwise
--       then for each call:
--       1 request id   2 hash of its key   3 model
--       4 hold at worst   5 least hold that makes sense (equal to 4 when the output cannot be clamped)
--       6, 7 the interval [from, to) in which the price that both holds were computed with applies; 7 is '' when open
--       8 tokens at worst   9 tokens when the output is cut as far as it can be (equal to 8 when it cannot)   10 gateway id
-- Returns { the server's time in ms, periods, answers, refused }. Fields of a text are joined by a bar: that costs a third of what
-- as many elements do.
--   Refused lists those keys of refused calls that are in a project or have tags: keyId, project id ('' = none), tags.
--   A period is what admitted calls of one key have in common, first a text:
--       keyId, accountId, window index, window start, day, rpm limit, budget limit, day limit (-1 = none)
--   then, if the key has one of them: account rpm limit (-1 = none), tags, and if it is in a project: its id, window index,
--   window start, budget (-1 = none)
--   The answer to an admitted call is a text that begins with the number of its period, from 1 on:
--       period, admitted at, hold, rpm left, spent, held, day spent, day held (both 0 without a day limit); and if the key or its
--       account has one of them: balance limit (-1 = metered), spent, held, token limit (-1 = none), left, counted,
--       parallel limit (-1 = none), calls in flight, account rpm left, project spent, project held (0 without a budget)
--   That to a refused one is a list that begins with the reason:
--       unknown_epoch, unknown_key
--       key_revoked, key_expired, model_not_allowed, price_moved, pending_full   keyId, accountId
--       unknown_scope      keyId, accountId, scope, ...
--       rate_limited, account_rate_limited
--                          keyId, accountId, limit, retry after ms, reset ms
--       parallel_limited   keyId, accountId, limit, calls in flight
--       tokens_limited     keyId, accountId, limit, used, asked, retry after ms (-1 = it never fits), reset ms
--       budget_exceeded, budget_held, daily_limit_reached, daily_limit_held, insufficient_balance, balance_held
--                          keyId, accountId, limit, spent, held, reset ms
--       project_budget_exceeded, project_budget_held
--                          the same, and the name of the project
--
-- Invariant: after it, total + settled + held <= limit holds in every scope in which it held before. A refusal writes
-- nothing that counts (stale entries leave the token log, a projection is packed). The balance is a scope whose limit lies beside its total, because
-- metering grants it. The same request id again returns its admission and changes nothing.
local DAY_MS, PENDING_MAX, CALL_FIELDS, FIRST_CALL = 86400000, 100000, 10, 5
-- What clocks may differ by: a window begins by the control plane's, a day began by the one of the Redis before this.
local CLOCK_MARGIN_MS = 60000
local PACKED = '^([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)$'
-- Names that are looked up once.
local call, format, floor, max, min, tonumber = redis.call, string.format, math.floor, math.max, math.min, tonumber
local ARGV = ARGV

local time = redis.call('TIME')
local now = time[1] * 1000 + floor(time[2] / 1000)
local prefix, periods, answers = ARGV[1], {}, {}

-- State of another Redis process (restored, or never rebuilt) is unknown, not zero.
local account = call('HMGET', KEYS[1], 'epoch', 'epochOpenedMs')
if account[1] ~= ARGV[2] then
  for at = FIRST_CALL, #ARGV, CALL_FIELDS do answers[#answers + 1] = { 'unknown_epoch' } end
  return { now, periods, answers, {} }
end
local openedMs = tonumber(account[2])

local run, made = { now = now, prefix = prefix, openedMs = openedMs }, nil
local function seldom()
  made = made or seldomOf(run)
  return made
end

-- A scope, whose holds of this run are `added`. What Redis has of it is read where a limit is on it: see scopeOf.
local scopes, usedScopes = {}, {}
local function scopeAt(name, beganMs, endMs)
  local scope = scopes[name]
  if not scope then
    -- All fields at once: a table that grows is built anew.
    scope = { name = name, key = prefix .. 'scope:' .. name, beganMs = beganMs, endMs = endMs, spent = 0, held = 0, added = 0, calls = 0,
      isRead = false, total = nil, hasVersion = false, isRegistered = false, isNew = false, isUsed = false }
    scopes[name] = scope
  end
  return scope
end

-- Reads a scope, once. Its total is nil when this Redis cannot know it: an absent total is 0 only if the scope began after this
-- epoch opened and nothing of it was acknowledged meanwhile (a version without a total says so). "After" is believed by a
-- margin only: a scope that began by a clock which was ahead may have been spent from before Redis was lost.
local function scopeOf(name, beganMs, endMs)
  local scope = scopeAt(name, beganMs, endMs)
  if not scope.isRead then
    local fields = call('HMGET', scope.key, 'total', 'version', 'settled', 'held', 'endMs')
    scope.isRead, scope.total, scope.hasVersion, scope.isRegistered = true, tonumber(fields[1]), fields[2], fields[5]
    scope.spent = (scope.total or 0) + (tonumber(fields[3]) or 0)
    scope.held = (tonumber(fields[4]) or 0) + scope.added
  end
  if not scope.total and not scope.hasVersion and beganMs > openedMs + CLOCK_MARGIN_MS then
    scope.total, scope.isNew = 0, true
  end
  scope.endMs = scope.endMs or endMs
  return scope
end

-- Places a hold, here; all scopes are written at the end.
local function hold(scope, amount)
  scope.held = scope.held + amount
  if scope.added == 0 and not scope.isUsed then
    scope.isUsed = true
    usedScopes[#usedScopes + 1] = scope
  end
  scope.added = scope.added + amount
end

-- The index lets a rebuild find every scope, and the end lets the clean-up know when a scope is past. A zero total is
-- written down (version 0, as metering counts a scope without a row), so that acknowledgements find a total to raise. A scope
-- that was not read is looked at when nothing else is held in it: whoever held before has registered it.
local function writeScope(scope)
  if not scope.isRead then
    if call('HINCRBY', scope.key, 'held', textOf(scope.added)) ~= scope.added then return end
    scope.added = 0
    scopeOf(scope.name, scope.beganMs)
  end
  local write = { 'HSET', scope.key, 'held', textOf(scope.held) }
  if scope.endMs and (scope.isNew or not scope.isRegistered) then
    call('SADD', KEYS[3], scope.name)
    write[5], write[6] = 'endMs', textOf(scope.endMs)
    if scope.isNew then write[7], write[8], write[9], write[10] = 'total', 0, 'version', 0 end
  end
  call(unpack(write))
  if scope.calls > 0 then call('HINCRBY', scope.key, 'calls', scope.calls) end
end

local keys, NONE = {}, {}
local function keyOf(hash, model)
  local key = keys[hash]
  if key then return key end
  local name = prefix .. 'key:' .. hash
  local fields = call('HMGET', name, 'packed', 'm:*', 'm:' .. model)
  local packed = fields[1] or seldom().packKey(name)
  if packed then
    local id, accountId, revoked, expiresMs, mintedMs, budget, rpm, dayLimit, kind, tpm, parallel, more = string.match(packed, PACKED)
    key = { name = name, id = id, accountId = accountId, isRevoked = revoked == '1', expiresMs = tonumber(expiresMs),
      mintedMs = tonumber(mintedMs), budget = tonumber(budget), rpm = tonumber(rpm), dayLimit = tonumber(dayLimit) or -1,
      isPrepaid = kind == 'prepaid', tpm = tonumber(tpm), parallel = tonumber(parallel), model = model,
      isAllowed = fields[2] or fields[3], isAnyModelAllowed = fields[2], limits = NONE, index = 0, window = false, day = false,
      scopes = false, places = false, rate = false, period = false, isUnknown = false, hasMore = false }
    if more ~= '' then seldom().readMore(key) end
  else
    key = {}
  end
  keys[hash] = key
  return key
end

local function isAllowed(key, model)
  if key.model == model or key.isAnyModelAllowed then return key.isAllowed end
  return call('HGET', key.name, 'm:' .. model)
end

-- Where no limit is on the day its holds are added up unread.
local today, todayMs
local function dayOf(isLimited)
  if not today then
    local number = floor(now / DAY_MS)
    todayMs, today = number * DAY_MS, 'day:' .. (tonumber(ARGV[3]) == number and ARGV[4] or seldom().dateOf(number))
  end
  local day = scopeAt(today, todayMs, todayMs + DAY_MS)
  if isLimited or day.isRead then scopeOf(today, todayMs, todayMs + DAY_MS) end
  return day
end

-- The scopes that a call of this key counts in now, and its limits beside its budget in the order in which they refuse.
local function openPeriod(key)
  local index = max(0, floor((now - key.mintedMs) / 2592000000))
  local began = key.mintedMs + index * 2592000000
  local window = scopeOf('window:' .. key.id .. ':' .. textOf(index), began, began + 2592000000)
  local day = dayOf(key.dayLimit >= 0)
  key.index, key.window, key.day, key.scopes, key.places = index, window, day, { window, day }, window.name .. '|' .. day.name
  if not window.total then key.isUnknown = true end
  if not key.project and key.dayLimit < 0 and not key.isPrepaid then return end
  local limits = {}
  key.limits = limits
  if key.project then seldom().openProject(key) end
  if key.dayLimit >= 0 then
    limits[#limits + 1] = { scope = day, limit = key.dayLimit, spentOut = 'daily_limit_reached', heldOut = 'daily_limit_held', endMs = day.endMs }
  end
  if key.isPrepaid then seldom().openBalance(key) end
  for at = 1, #limits do
    if not (limits[at].scope.total and limits[at].limit) then key.isUnknown = true end
  end
end

-- The log of the key's last minute. In the first minute of an epoch it is what gateways say they admitted before it was lost: a
-- count per key, taken as if all of it were still in the window until a minute after it was reported. Too strict, never too
-- generous.
local function readRateLog(id)
  local log = openRateLog(prefix .. 'rate:' .. id, now)
  if log.sum == 0 and not log.isPast then
    seldom().takeOldLog(log, id)
  elseif log.newestMs > now + RATE_STEP_BACK_MS then
    restartRateLog(log, rateUsed(log), now)
    writeRateLog(log, now)
  end
  log.lost = 0
  if now - openedMs < RATE_MS then
    log.lostKey = prefix .. 'rpmlost:' .. id
    log.lost = seldom().lostCalls(log)
  end
  return log
end

function run.rateLogOf(key)
  key.rate = key.rate or readRateLog(key.id)
  return key.rate
end

-- The same over all keys of the account whose plan limits it: one log for all of them.
local accountRate
local function accountRateLog()
  accountRate = accountRate or readRateLog('account')
  return accountRate
end

function run.newPeriod(key, index, day, projectIndex)
  local period = { format('%s|%s|%d|%d|%s|%d|%d|%d', key.id, key.accountId, index, key.mintedMs + index * 2592000000,
    string.sub(day.name, 5), key.rpm, key.budget, key.dayLimit) }
  if key.hasMore then
    period[2], period[3] = key.accountRpm or -1, key.tags
    if projectIndex then
      local project = key.project
      period[4], period[5], period[6] = project.id, projectIndex, project.startMs + projectIndex * 2592000000
      period[7] = project.budget or -1
    end
  end
  periods[#periods + 1] = period
  return #periods
end

function run.admission(key, period, atMs, held, window, day, rpmUsed, extra)
  local answer = format('%d|%d|%d|%d|%d|%d|%d|%d', period, atMs, held, max(0, key.rpm - rpmUsed), window.spent, window.held,
    day.spent, day.held)
  if not extra then return answer end
  return answer .. seldom().extraAnswer(key, extra, key.accountRpm and accountRateLog())
end

local ids = {}
for at = FIRST_CALL, #ARGV, CALL_FIELDS do ids[#ids + 1] = ARGV[at] end
local openCount, known, write = nil, {}, { 'HSET', KEYS[2] }
for index, entry in ipairs(call('HMGET', KEYS[2], unpack(ids))) do
  if entry then known[ids[index]] = entry end
end

-- How much the limits leave for a call that asks for `grant` and can do with `least`, or nil and the refusal.
local function grantOf(key, grant, least)
  local window, limits = key.window, key.limits
  grant = min(grant, key.budget - window.spent - window.held)
  if grant < least then
    local reason = key.budget - window.spent < least and 'budget_exceeded' or 'budget_held'
    return nil, { reason, key.id, key.accountId, key.budget, window.spent, window.held, window.endMs - now }
  end
  for at = 1, #limits do
    local entry = limits[at]
    local scope, limit = entry.scope, entry.limit
    grant = min(grant, limit - scope.spent - scope.held)
    if grant < least then
      local reason = limit - scope.spent < least and entry.spentOut or entry.heldOut
      local refusal = { reason, key.id, key.accountId, limit, scope.spent, scope.held, entry.endMs - now }
      if entry.isProject then refusal[8] = call('HGET', key.name, 'projectName') or key.project.id end
      return nil, refusal
    end
  end
  return grant
end

local function admit(at)
  local id, model = ARGV[at], ARGV[at + 2]
  local key = keyOf(ARGV[at + 1], model)
  if not key.id then return { 'unknown_key' } end
  if known[id] then return seldom().admittedBefore(key, known[id]) end

  -- Who is asking (401), then what for (403), then how much (429 and 402).
  if key.isRevoked then return { 'key_revoked', key.id, key.accountId } end
  if now >= key.expiresMs then return { 'key_expired', key.id, key.accountId } end
  if not isAllowed(key, model) then return { 'model_not_allowed', key.id, key.accountId } end
  if now < tonumber(ARGV[at + 5]) or (ARGV[at + 6] ~= '' and now >= tonumber(ARGV[at + 6])) then
    return { 'price_moved', key.id, key.accountId }
  end
  openCount = openCount or call('HLEN', KEYS[2])
  if openCount >= PENDING_MAX then return { 'pending_full', key.id, key.accountId } end
  if not key.window then openPeriod(key) end
  if key.isUnknown then return seldom().unknownScopes(key) end

  -- Exact rolling minute: an entry counts while it is less than 60 s old, and a refused call leaves none.
  local log = run.rateLogOf(key)
  if rateUsed(log) + log.lost >= key.rpm then return seldom().rateRefusal(key, log, key.rpm, 'rate_limited') end
  local allKeys = key.accountRpm and accountRateLog()
  if allKeys and rateUsed(allKeys) + allKeys.lost >= key.accountRpm then
    return seldom().rateRefusal(key, allKeys, key.accountRpm, 'account_rate_limited')
  end
  local extra
  if key.isPrepaid or key.parallel or key.tpm or key.hasMore then
    extra = { balance = key.balance, project = key.project and key.project.scope }
  end
  if key.parallel then
    extra.calls = seldom().callsInFlight(key, key.index)
    if extra.calls >= key.parallel then
      return { 'parallel_limited', key.id, key.accountId, key.parallel, extra.calls }
    end
  end
  if key.tpm then
    local counted, used = seldom().countTokens(key, tonumber(ARGV[at + 7]), tonumber(ARGV[at + 8]))
    if not counted then return used end
    extra.tokens, extra.tokensUsed = counted, used
  end
  local grant, refusal = grantOf(key, tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4]))
  if not grant then return refusal end

  for index = 1, #key.scopes do hold(key.scopes[index], grant) end
  log.added, openCount = log.added + 1, openCount + 1
  if allKeys then allKeys.added = allKeys.added + 1 end
  local entry = format('h|%d|%s|%s|%d|%d', grant, key.places, ARGV[at + 9], now, grant)
  if extra then
    local marks = (key.isPrepaid and 'b' or '') .. (key.parallel and 'c' or '')
    if key.parallel then
      key.window.calls = key.window.calls + 1
      extra.calls = extra.calls + 1
    end
    if key.tpm then
      local text = textOf(extra.tokens)
      marks = marks .. 't' .. text
      seldom().logTokens(key, id, text)
    end
    if marks ~= '' then entry = entry .. '|' .. marks end
    if key.project then entry = entry .. '|' .. key.project.scope.name end
  end
  known[id], write[#write + 1], write[#write + 2] = entry, id, entry
  key.period = key.period or run.newPeriod(key, key.index, key.day, key.project and key.project.index)
  return run.admission(key, key.period, now, grant, key.window, key.day, rateUsed(log) + log.lost, extra)
end
run.scopes, run.scopeOf = scopes, scopeOf

local refused = {}
for at = FIRST_CALL, #ARGV, CALL_FIELDS do
  local answer = admit(at)
  answers[#answers + 1] = answer
  local key = keys[ARGV[at + 1]]
  if key.hasMore and type(answer) == 'table' and not key.isRefused then
    key.isRefused = true
    refused[#refused + 1] = { key.id, key.project and key.project.id or '', key.tags }
  end
end
if #write > 2 then call(unpack(write)) end
for at = 1, #usedScopes do writeScope(usedScopes[at]) end
for _, key in pairs(keys) do
  if key.rate then writeRateLog(key.rate, now) end
end
if accountRate then writeRateLog(accountRate, now) end
return { now, periods, answers, refused }
