-- Admits calls and places their holds, or says why not. The whole admission of a call is this one atomic step; calls of one
-- account that came at the same time share it, each as if it had come after those before it.
--
-- KEYS  1 tl:{tag}:account   2 tl:{tag}:open   3 tl:{tag}:scopes
--       The names of projections, scopes and logs depend on the calls, on TIME and on their keys' ids, so they are built here
--       from ARGV[1]; they carry the same hash tag, hence the same slot.
-- ARGV  1 prefix "tl:{tag}:"   2 run id of the Redis process, as the caller knows it
--       then for each call:
--       1 request id   2 hash of its key   3 model
--       4 hold at worst   5 least hold that makes sense (equal to 4 when the output cannot be clamped)
--       6, 7 the interval [from, to) in which the price that both holds were computed with applies; 7 is '' when open
--       8 tokens at worst   9 tokens when the output is cut as far as it can be (equal to 8 when it cannot)   10 gateway id
-- Returns { the server's time in ms, periods, answers, refused }.
--   Refused lists those keys of refused calls that are in a project or have tags: keyId, project id ('' = none), tags.
--   A period is what admitted calls of one key have in common:
--       keyId, accountId, window index, window start, day, rpm limit, budget limit, day limit (-1 = none); and if the key has one
--       of them: account rpm limit (-1 = none), tags, and if it is in a project: its id, window index, window start, budget
--       (-1 = none)
--   The answer to an admitted call begins with the number of its period, from 1 on:
--       period, admitted at, hold, rpm left, rpm reset ms, spent, held, day spent, day held; and if the key or its account has
--       one of them: balance limit (-1 = metered), spent, held, token limit (-1 = none), left, counted,
--       parallel limit (-1 = none), calls in flight, account rpm left, project spent, project held
--   That to a refused one with the reason:
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
-- nothing that counts (stale entries leave the token log). The balance is a scope whose limit lies beside its total, because
-- metering grants it. The same request id again returns its admission and changes nothing.
local WINDOW_MS, DAY_MS, PENDING_MAX, CALL_FIELDS, FIRST_CALL = 2592000000, 86400000, 100000, 10, 3
-- Entries of the token log that are walked to find when a refused call will fit; beyond it the answer is too early.
local TOKEN_WALK_MAX = 1000
-- What clocks may differ by: a window begins by the control plane's, a day began by the one of the Redis before this.
local CLOCK_MARGIN_MS = 60000

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local prefix, periods, answers = ARGV[1], {}, {}

-- State of another Redis process (restored, or never rebuilt) is unknown, not zero.
local account = redis.call('HMGET', KEYS[1], 'epoch', 'epochOpenedMs')
if account[1] ~= ARGV[2] then
  for at = FIRST_CALL, #ARGV, CALL_FIELDS do answers[#answers + 1] = { 'unknown_epoch' } end
  return { now, periods, answers, {} }
end
local openedMs = tonumber(account[2])

-- Reads a scope, once. Its total is nil when this Redis cannot know it: an absent total is 0 only if the scope began after this
-- epoch opened and nothing of it was acknowledged meanwhile (a version without a total says so). "After" is believed by a
-- margin only: a scope that began by a clock which was ahead may have been spent from before Redis was lost.
local scopes, usedScopes = {}, {}
local function scopeOf(name, beganMs, endMs)
  local scope = scopes[name]
  if not scope then
    local key = prefix .. 'scope:' .. name
    local fields = redis.call('HMGET', key, 'total', 'version', 'settled', 'held', 'endMs')
    local total = tonumber(fields[1])
    scope = { name = name, key = key, total = total, hasVersion = fields[2], spent = (total or 0) + (tonumber(fields[3]) or 0),
      held = tonumber(fields[4]) or 0, isRegistered = fields[5], calls = 0 }
    scopes[name] = scope
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
  if scope.isUsed then return end
  scope.isUsed = true
  usedScopes[#usedScopes + 1] = scope
end

-- The index lets a rebuild find every scope, and the end lets the clean-up know when a scope is past. A zero total is
-- written down (version 0, as metering counts a scope without a row), so that acknowledgements find a total to raise.
local function writeScope(scope)
  local write = { 'HSET', scope.key, 'held', textOf(scope.held) }
  if scope.endMs and (scope.isNew or not scope.isRegistered) then
    redis.call('SADD', KEYS[3], scope.name)
    write[5], write[6] = 'endMs', textOf(scope.endMs)
    if scope.isNew then write[7], write[8], write[9], write[10] = 'total', 0, 'version', 0 end
  end
  redis.call(unpack(write))
  if scope.calls > 0 then redis.call('HINCRBY', scope.key, 'calls', scope.calls) end
end

-- UTC date of a count of days since 1970 (Gregorian, proleptic), because Redis gives scripts no os.date:
-- years are counted from 1 March so that the leap day comes last, in eras of 400 years.
local function dateOf(days)
  local shifted = days + 719468
  local era = math.floor(shifted / 146097)
  local dayOfEra = shifted - era * 146097
  local yearOfEra = math.floor((dayOfEra - math.floor(dayOfEra / 1460) + math.floor(dayOfEra / 36524)
    - math.floor(dayOfEra / 146096)) / 365)
  local dayOfYear = dayOfEra - (365 * yearOfEra + math.floor(yearOfEra / 4) - math.floor(yearOfEra / 100))
  local monthFromMarch = math.floor((5 * dayOfYear + 2) / 153)
  local day = dayOfYear - math.floor((153 * monthFromMarch + 2) / 5) + 1
  local month = monthFromMarch < 10 and monthFromMarch + 3 or monthFromMarch - 9
  local year = yearOfEra + era * 400 + (month <= 2 and 1 or 0)
  return string.format('%04d-%02d-%02d', year, month, day)
end

-- All that a prepaid account ever spent, and what it was ever granted. Neither is ever zero for want of knowing.
local function balanceScope()
  local balance = scopeOf('balance', 0)
  if not balance.limit then balance.limit = tonumber(redis.call('HGET', balance.key, 'limit')) end
  return balance
end

local keys = {}
local function keyOf(hash, model)
  local key = keys[hash]
  if key then return key end
  local name = prefix .. 'key:' .. hash
  local fields = redis.call('HMGET', name, 'keyId', 'accountId', 'revoked', 'expiresAtMs', 'mintedAtMs', 'budget', 'rpm',
    'dailyLimit', 'kind', 'tpm', 'parallel', 'm:*', 'm:' .. model, 'more')
  key = { name = name, id = fields[1], accountId = fields[2], isRevoked = fields[3] == '1', expiresMs = tonumber(fields[4]),
    mintedMs = tonumber(fields[5]), budget = tonumber(fields[6]), rpm = tonumber(fields[7]),
    dayLimit = tonumber(fields[8]) or -1, isPrepaid = fields[9] == 'prepaid', tpm = tonumber(fields[10]),
    parallel = tonumber(fields[11]), isAnyModelAllowed = fields[12], models = { [model] = fields[13] } }
  -- What few keys have is read only for those.
  if fields[14] then
    local more = redis.call('HMGET', name, 'accountRpm', 'tags', 'projectId', 'projectStart', 'projectBudget')
    key.hasMore, key.accountRpm, key.tags = true, tonumber(more[1]), more[2] or ''
    if more[3] then key.project = { id = more[3], startMs = tonumber(more[4]), budget = tonumber(more[5]) } end
  end
  keys[hash] = key
  return key
end

local function isAllowed(key, model)
  if key.isAnyModelAllowed then return true end
  if key.models[model] == nil then key.models[model] = redis.call('HGET', key.name, 'm:' .. model) end
  return key.models[model]
end

local today
local function dayScope()
  local start = now - now % DAY_MS
  today = today or 'day:' .. dateOf(start / DAY_MS)
  return scopeOf(today, start, start + DAY_MS)
end

-- The scopes that a call of this key counts in now, and its limits in the order in which they refuse.
local function openPeriod(key)
  if key.window then return end
  key.index = math.max(0, math.floor((now - key.mintedMs) / WINDOW_MS))
  key.windowStart = key.mintedMs + key.index * WINDOW_MS
  local windowEnd = key.windowStart + WINDOW_MS
  local window = scopeOf('window:' .. key.id .. ':' .. string.format('%d', key.index), key.windowStart, windowEnd)
  local day = dayScope()
  key.window, key.day, key.scopes = window, day, { window, day }
  key.limits = { { scope = window, limit = key.budget, spentOut = 'budget_exceeded', heldOut = 'budget_held', endMs = windowEnd } }
  local project = key.project
  if project then
    project.index = math.max(0, math.floor((now - project.startMs) / WINDOW_MS))
    local began = project.startMs + project.index * WINDOW_MS
    project.scope = scopeOf('project:' .. project.id .. ':' .. string.format('%d', project.index), began, began + WINDOW_MS)
    key.scopes[3] = project.scope
    if project.budget then
      key.limits[2] = { scope = project.scope, limit = project.budget, spentOut = 'project_budget_exceeded',
        heldOut = 'project_budget_held', endMs = began + WINDOW_MS, isProject = true }
    end
  end
  if key.dayLimit >= 0 then
    key.limits[#key.limits + 1] = { scope = day, limit = key.dayLimit, spentOut = 'daily_limit_reached', heldOut = 'daily_limit_held', endMs = day.endMs }
  end
  if key.isPrepaid then
    local balance = balanceScope()
    key.balance, key.scopes[#key.scopes + 1] = balance, balance
    key.limits[#key.limits + 1] =
      { scope = balance, limit = balance.limit, spentOut = 'insufficient_balance', heldOut = 'balance_held', endMs = now }
  end
  for _, entry in ipairs(key.limits) do
    if not (entry.scope.total and entry.limit) then key.isUnknown = true end
  end
end

local function unknownScopes(key)
  local refusal = { 'unknown_scope', key.id, key.accountId }
  for _, scope in ipairs(key.scopes) do
    if not scope.total or (scope.name == 'balance' and not scope.limit) then refusal[#refusal + 1] = scope.name end
  end
  return refusal
end

-- The log of the key's last minute. In the first minute of an epoch it is what gateways say they admitted before it was lost: a
-- count per key, taken as if all of it were still in the window until a minute after it was reported. Too strict, never too
-- generous. The release before kept a log of another kind; what it counted counts until a minute after it is found.
local function readRateLog(id)
  local log = openRateLog(prefix .. 'rate:' .. id, now)
  if log.sum == 0 and not log.isPast then
    local before = redis.call('ZCOUNT', prefix .. 'rpm:' .. id, '(' .. textOf(now - RATE_MS), '+inf')
    if before > 0 then
      restartRateLog(log, before, now)
      writeRateLog(log, now)
    end
  elseif log.newestMs > now + RATE_STEP_BACK_MS then
    restartRateLog(log, rateUsed(log), now)
    writeRateLog(log, now)
  end
  log.lost, log.lostKey = 0, prefix .. 'rpmlost:' .. id
  if now - openedMs < RATE_MS then
    for _, count in ipairs(redis.call('HVALS', log.lostKey)) do log.lost = log.lost + tonumber(count) end
  end
  return log
end

local function rateLogOf(key)
  key.rate = key.rate or readRateLog(key.id)
  return key.rate
end

-- The same over all keys of the account whose plan limits it: one log for all of them.
local accountRate
local function accountRateLog()
  accountRate = accountRate or readRateLog('account')
  return accountRate
end

local function rateRefusal(key, log, limit, reason)
  local counted = rateUsed(log)
  local retryMs = log.lost > 0 and math.max(0, redis.call('PTTL', log.lostKey)) or 0
  local resetMs = retryMs
  if counted > 0 then resetMs = math.max(resetMs, rateEndsAtMs(log, now) - now) end
  if counted >= limit then retryMs = math.max(retryMs, rateLeavesAtMs(log, limit, now) - now) end
  return { reason, key.id, key.accountId, limit, retryMs, resetMs }
end

-- Calls of the key in flight: those of a window that has just ended are among them.
local function callsInFlight(key, index)
  local function calls(at)
    local name = 'window:' .. key.id .. ':' .. string.format('%d', at)
    local here = scopes[name] and scopes[name].calls or 0
    return here + (tonumber(redis.call('HGET', prefix .. 'scope:' .. name, 'calls')) or 0)
  end
  return calls(index) + (index > 0 and calls(index - 1) or 0)
end

-- Tokens of the last minute; what is older leaves the log and its sum.
local function loggedTokens(key)
  local logKey, sumKey = prefix .. 'tpm:' .. key.id, prefix .. 'tpmsum:' .. key.id
  local gone, less = redis.call('ZRANGEBYSCORE', logKey, '-inf', now - RATE_MS), 0
  if #gone == 0 then return tonumber(redis.call('GET', sumKey)) or 0 end
  for _, member in ipairs(gone) do less = less + tonumber(string.match(member, '%d+$')) end
  redis.call('ZREMRANGEBYSCORE', logKey, '-inf', now - RATE_MS)
  return redis.call('DECRBY', sumKey, less)
end

-- Tokens are counted as the call may use at worst until it ends. A call whose output can be cut counts the whole limit
-- at most, or a small limit would never let it through. Returns what it counts and what is counted then, or a refusal.
local function countTokens(key, asked, least)
  if least <= key.tpm then asked = math.min(asked, math.max(least, key.tpm)) end
  local logKey, lostKey = prefix .. 'tpm:' .. key.id, prefix .. 'tpmlost:' .. key.id
  local sum, lost = loggedTokens(key), 0
  if now - openedMs < RATE_MS then
    for _, count in ipairs(redis.call('HVALS', lostKey)) do lost = lost + tonumber(count) end
  end
  if sum + lost + asked <= key.tpm then return asked, sum + lost + asked end
  local lostMs = lost > 0 and math.max(0, redis.call('PTTL', lostKey)) or 0
  local newest = redis.call('ZRANGE', logKey, -1, -1, 'WITHSCORES')
  local retryMs, resetMs = lostMs, math.max(lostMs, newest[2] and newest[2] + RATE_MS - now or 0)
  if asked > key.tpm then
    retryMs = -1
  elseif sum + asked > key.tpm then
    local rest = sum
    local oldest = redis.call('ZRANGE', logKey, 0, TOKEN_WALK_MAX - 1, 'WITHSCORES')
    for at = 1, #oldest, 2 do
      rest = rest - tonumber(string.match(oldest[at], '%d+$'))
      if rest + asked <= key.tpm or at == #oldest - 1 then
        retryMs = math.max(retryMs, oldest[at + 1] + RATE_MS - now)
        break
      end
    end
  end
  return nil, { 'tokens_limited', key.id, key.accountId, key.tpm, sum + lost, asked, retryMs, resetMs }
end

local function logTokens(key, id, text)
  local logKey, sumKey = prefix .. 'tpm:' .. key.id, prefix .. 'tpmsum:' .. key.id
  redis.call('ZADD', logKey, now, id .. '|' .. text)
  redis.call('INCRBY', sumKey, text)
  redis.call('PEXPIRE', logKey, RATE_MS)
  redis.call('PEXPIRE', sumKey, RATE_MS)
end

local function newPeriod(key, index, day, projectIndex)
  local period =
    { key.id, key.accountId, index, key.mintedMs + index * WINDOW_MS, string.sub(day.name, 5), key.rpm, key.budget, key.dayLimit }
  if key.hasMore then
    period[9], period[10] = key.accountRpm or -1, key.tags
    if projectIndex then
      local project = key.project
      period[11], period[12], period[13] = project.id, projectIndex, project.startMs + projectIndex * WINDOW_MS
      period[14] = project.budget or -1
    end
  end
  periods[#periods + 1] = period
  return #periods
end

local function admission(key, call)
  local window, day, extra = call.window, call.day, call.extra
  local reply = { call.period, call.at, call.hold, math.max(0, key.rpm - call.rpmUsed), RATE_MS, window.spent, window.held,
    day.spent, day.held }
  if extra then
    local balance, project = extra.balance, extra.project
    for _, value in ipairs({ balance and balance.limit or -1, balance and balance.spent or 0, balance and balance.held or 0,
      extra.tokens and key.tpm or -1, extra.tokens and math.max(0, key.tpm - extra.tokensUsed) or 0, extra.tokens or 0,
      extra.calls and key.parallel or -1, extra.calls or 0,
      key.accountRpm and math.max(0, key.accountRpm - rateUsed(accountRateLog()) - accountRate.lost) or 0,
      project and project.spent or 0, project and project.held or 0 }) do reply[#reply + 1] = value end
  end
  return reply
end

-- The answer that was given before.
local function admittedBefore(key, entry)
  local _, _, windowName, dayName, tail = readEntry(entry)
  local admittedMs, held = string.match(tail, '^[^|]+|(%d+)|(%d+)')
  local marks, projectName = marksOf(tail)
  local index, extra, projectIndex = tonumber(string.match(windowName, '%d+$')), nil, nil
  -- A key that was put elsewhere in between answers without the project: its start is not known here any more.
  if key.project and projectName and string.find(projectName, key.project.id, 1, true) then
    projectIndex = tonumber(string.match(projectName, '%d+$'))
  end
  if marks or key.hasMore then
    marks = marks or ''
    extra = { balance = string.find(marks, 'b', 1, true) and balanceScope(),
      calls = key.parallel and string.find(marks, 'c', 1, true) and callsInFlight(key, index),
      tokens = key.tpm and tonumber(string.match(marks, 't(%d+)')), tokensUsed = key.tpm and loggedTokens(key),
      project = projectIndex and scopeOf(projectName, 0) }
  end
  local day = scopeOf(dayName, 0)
  return admission(key, { period = newPeriod(key, index, day, projectIndex), at = tonumber(admittedMs), hold = tonumber(held),
    window = scopeOf(windowName, 0), day = day, rpmUsed = rateUsed(rateLogOf(key)), extra = extra })
end

local ids = {}
for at = FIRST_CALL, #ARGV, CALL_FIELDS do ids[#ids + 1] = ARGV[at] end
local openCount, known, write = nil, {}, { 'HSET', KEYS[2] }
for index, entry in ipairs(redis.call('HMGET', KEYS[2], unpack(ids))) do known[ids[index]] = entry end

-- How much the limits leave for a call that asks for `grant` and can do with `least`, or nil and the refusal.
local function grantOf(key, grant, least)
  for _, entry in ipairs(key.limits) do
    local scope, limit = entry.scope, entry.limit
    grant = math.min(grant, limit - scope.spent - scope.held)
    if grant < least then
      local reason = limit - scope.spent < least and entry.spentOut or entry.heldOut
      local refusal = { reason, key.id, key.accountId, limit, scope.spent, scope.held, entry.endMs - now }
      if entry.isProject then refusal[8] = redis.call('HGET', key.name, 'projectName') or key.project.id end
      return nil, refusal
    end
  end
  return grant
end

local function admit(at)
  local id, model = ARGV[at], ARGV[at + 2]
  local key = keyOf(ARGV[at + 1], model)
  if not key.id then return { 'unknown_key' } end
  if known[id] then return admittedBefore(key, known[id]) end

  -- Who is asking (401), then what for (403), then how much (429 and 402).
  if key.isRevoked then return { 'key_revoked', key.id, key.accountId } end
  if now >= key.expiresMs then return { 'key_expired', key.id, key.accountId } end
  if not isAllowed(key, model) then return { 'model_not_allowed', key.id, key.accountId } end
  if now < tonumber(ARGV[at + 5]) or (ARGV[at + 6] ~= '' and now >= tonumber(ARGV[at + 6])) then
    return { 'price_moved', key.id, key.accountId }
  end
  openCount = openCount or redis.call('HLEN', KEYS[2])
  if openCount >= PENDING_MAX then return { 'pending_full', key.id, key.accountId } end
  openPeriod(key)
  if key.isUnknown then return unknownScopes(key) end

  -- Exact rolling minute: an entry counts while it is less than 60 s old, and a refused call leaves none.
  local log = rateLogOf(key)
  if rateUsed(log) + log.lost >= key.rpm then return rateRefusal(key, log, key.rpm, 'rate_limited') end
  local allKeys = key.accountRpm and accountRateLog()
  if allKeys and rateUsed(allKeys) + allKeys.lost >= key.accountRpm then
    return rateRefusal(key, allKeys, key.accountRpm, 'account_rate_limited')
  end
  local extra
  if key.isPrepaid or key.parallel or key.tpm or key.hasMore then
    extra = { balance = key.balance, project = key.project and key.project.scope }
  end
  if key.parallel then
    extra.calls = callsInFlight(key, key.index)
    if extra.calls >= key.parallel then
      return { 'parallel_limited', key.id, key.accountId, key.parallel, extra.calls }
    end
  end
  if key.tpm then
    local counted, used = countTokens(key, tonumber(ARGV[at + 7]), tonumber(ARGV[at + 8]))
    if not counted then return used end
    extra.tokens, extra.tokensUsed = counted, used
  end
  local grant, refusal = grantOf(key, tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4]))
  if not grant then return refusal end

  for _, scope in ipairs(key.scopes) do hold(scope, grant) end
  log.added, openCount = log.added + 1, openCount + 1
  if allKeys then allKeys.added = allKeys.added + 1 end
  local entry = string.format('h|%d|%s|%s|%s|%d|%d', grant, key.window.name, key.day.name, ARGV[at + 9], now, grant)
  if extra then
    local marks = (key.isPrepaid and 'b' or '') .. (key.parallel and 'c' or '')
    if key.parallel then
      key.window.calls = key.window.calls + 1
      extra.calls = extra.calls + 1
    end
    if key.tpm then
      local text = textOf(extra.tokens)
      marks = marks .. 't' .. text
      logTokens(key, id, text)
    end
    if marks ~= '' then entry = entry .. '|' .. marks end
    if key.project then entry = entry .. '|' .. key.project.scope.name end
  end
  known[id], write[#write + 1], write[#write + 2] = entry, id, entry
  key.period = key.period or newPeriod(key, key.index, key.day, key.project and key.project.index)
  return admission(key, { period = key.period, at = now, hold = grant, window = key.window, day = key.day,
    rpmUsed = rateUsed(log) + log.lost, extra = extra })
end

local refused = {}
for at = FIRST_CALL, #ARGV, CALL_FIELDS do
  local answer = admit(at)
  answers[#answers + 1] = answer
  local key = keys[ARGV[at + 1]]
  if key.hasMore and type(answer[1]) == 'string' and not key.isRefused then
    key.isRefused = true
    refused[#refused + 1] = { key.id, key.project and key.project.id or '', key.tags }
  end
end
if #write > 2 then redis.call(unpack(write)) end
for _, scope in ipairs(usedScopes) do writeScope(scope) end
for _, key in pairs(keys) do
  if key.rate then writeRateLog(key.rate, now) end
end
if accountRate then writeRateLog(accountRate, now) end
return { now, periods, answers, refused }
