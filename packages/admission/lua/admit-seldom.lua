-- What few calls need of admit.lua: caps on tokens and on calls in flight, balances, projects, refusals, repeated requests, and
-- the forms of earlier releases.
--
-- They use the run's account and time, and what admit.lua defines of these.
local WINDOW_MS = 2592000000
-- Entries of the token log that are walked to find when a refused call will fit; beyond it the answer is too early.
local TOKEN_WALK_MAX = 1000
local seldom = {}
local rateLogOf, accountRateLog, newPeriod, admission
-- Of this run.
local mayWrite

-- Writes what admission needs of a projection into one field of it, behind the projection's own (project-key.lua deletes it with
-- them): one field is read in a third of the time of twelve. A projection begins with that field, empty, since it is found the
-- faster the further ahead it is. Returns it.
function seldom.packKey(name)
  local fields = call('HMGET', name, 'keyId', 'accountId', 'revoked', 'expiresAtMs', 'mintedAtMs', 'budget', 'rpm',
    'dailyLimit', 'kind', 'tpm', 'parallel', 'more', 'm:*')
  if not fields[1] then return nil end
  for at = 1, 13 do fields[at] = fields[at] or '' end
  local packed = table.concat(fields, '|')
  if mayWrite then call('HSET', name, 'p', packed) end
  return packed
end

-- What few keys have is read only for those.
function seldom.readMore(key)
  local more = call('HMGET', key.name, 'accountRpm', 'tags', 'projectId', 'projectStart', 'projectBudget')
  key.accountRpm, key.tags, key.project = tonumber(more[1]) or false, more[2] or '', false
  if more[3] then key.project = { id = more[3], startMs = tonumber(more[4]), budget = tonumber(more[5]) } end
end

-- UTC date of a count of days since 1970 (Gregorian, proleptic), because Redis gives scripts no os.date:
-- years are counted from 1 March so that the leap day comes last, in eras of 400 years.
function seldom.dateOf(days)
  local shifted = days + 719468
  local era = floor(shifted / 146097)
  local dayOfEra = shifted - era * 146097
  local yearOfEra = floor((dayOfEra - floor(dayOfEra / 1460) + floor(dayOfEra / 36524)
    - floor(dayOfEra / 146096)) / 365)
  local dayOfYear = dayOfEra - (365 * yearOfEra + floor(yearOfEra / 4) - floor(yearOfEra / 100))
  local monthFromMarch = floor((5 * dayOfYear + 2) / 153)
  local day = dayOfYear - floor((153 * monthFromMarch + 2) / 5) + 1
  local month = monthFromMarch < 10 and monthFromMarch + 3 or monthFromMarch - 9
  local year = yearOfEra + era * 400 + (month <= 2 and 1 or 0)
  return format('%04d-%02d-%02d', year, month, day)
end

-- All that a prepaid account ever spent, and what it was ever granted. Neither is ever zero for want of knowing.
function seldom.balanceScope()
  local balance = readScope(scopeNamed('balance'), 0)
  if not balance.limit then balance.limit = tonumber(call('HGET', balance.key, 'limit')) end
  return balance
end

-- The further scopes of a key, and the limits on them.
function seldom.openProject(key)
  local project = key.project
  project.index = max(0, floor((now - project.startMs) / WINDOW_MS))
  local began = project.startMs + project.index * WINDOW_MS
  project.scope = readScope(openScope('project:' .. project.id .. ':' .. textOf(project.index), began, began + WINDOW_MS), began)
  key.scopes[3] = project.scope
  if project.budget then
    key.limits[1] = { scope = project.scope, limit = project.budget, spentOut = 'project_budget_exceeded',
      heldOut = 'project_budget_held', endMs = began + WINDOW_MS, isProject = true }
  end
end

function seldom.openBalance(key)
  local balance = seldom.balanceScope()
  key.balance, key.scopes[#key.scopes + 1] = balance, balance
  key.limits[#key.limits + 1] =
    { scope = balance, limit = balance.limit, spentOut = 'insufficient_balance', heldOut = 'balance_held', endMs = now }
end

function seldom.unknownScopes(key)
  local unknown = {}
  for _, scope in ipairs(key.scopes) do
    readScope(scope, scope.beganMs or 0)
    if not scope.total or (scope.name == 'balance' and not scope.limit) then unknown[#unknown + 1] = scope.name end
  end
  return unknown
end

-- Counts that gateways reported of the minute before Redis was lost.
local function lostOf(lostKey)
  local lost = 0
  if now - openedMs < RATE_MS then
    for _, count in ipairs(call('HVALS', lostKey)) do lost = lost + tonumber(count) end
  end
  return lost
end

function seldom.lostCalls(log) return lostOf(log.lostKey) end

-- The log of a key without one: the release before the last kept another kind. What that counted counts until a minute after it is
-- found.
function seldom.takeOldLog(log, id)
  local before = call('ZCOUNT', prefix .. 'rpm:' .. id, '(' .. textOf(now - RATE_MS), '+inf')
  if before == 0 then return end
  restartRateLog(log, before, now)
  writeRateLog(log, now)
end

-- Until none of a log's calls counts any more, and until one more call finds a place (0 where it does now).
local function rateWaits(log, limit)
  local counted = rateUsed(log)
  local lostMs = log.lost > 0 and max(0, call('PTTL', log.lostKey)) or 0
  local resetMs = counted > 0 and max(lostMs, rateEndsAtMs(log, now) - now) or lostMs
  if counted >= limit then return resetMs, max(lostMs, rateLeavesAtMs(log, limit, now) - now) end
  return resetMs, counted + log.lost >= limit and lostMs or 0
end

local function rateText(log, limit)
  if not log then return '-1|0|0' end
  return format('%d|%d|%d', limit, max(0, limit - rateUsed(log) - log.lost), (rateWaits(log, limit)))
end

local function moneyText(scope, limit)
  if not scope or not scope.total or not limit then return '-1|0|0' end
  return format('%d|%d|%d', limit, scope.spent, scope.held)
end

-- What the limits of a key leave as they stand, nothing counted for the call that asks: limit (-1 = none), left and reset ms of its
-- requests and of the whole account's, then limit (-1 = none or not known), spent and held of its budget, ms until that begins anew,
-- and of day, balance and project. All scopes are read by then; of the logs only refusals need the one that did not refuse.
function seldom.leftText(key)
  local project = key.project and key.project.budget and key.project
  return table.concat({ rateText(rateLogOf(key), key.rpm), rateText(key.accountRpm and accountRateLog(), key.accountRpm),
    moneyText(key.window, key.budget), textOf(key.window.endMs - now), moneyText(key.dayLimit >= 0 and key.day, key.dayLimit),
    moneyText(key.isPrepaid and key.balance, key.isPrepaid and key.balance.limit),
    moneyText(project and project.scope, project and project.budget) }, '|')
end

-- A refusal by one of the limits.
function seldom.refusal(key, reason, ...)
  return { reason, key.id, key.accountId, seldom.leftText(key), ... }
end

-- Where the account's log is full as well as the key's, the call waits for both.
function seldom.rateRefusal(key, log, limit, reason)
  local resetMs, retryMs = rateWaits(log, limit)
  if key.accountRpm then
    local _, accountMs = rateWaits(accountRateLog(), key.accountRpm)
    retryMs = max(retryMs, accountMs)
  end
  return seldom.refusal(key, reason, limit, retryMs, resetMs)
end

-- Calls of the key in flight: those of a window that has just ended are among them.
function seldom.callsInFlight(key, index)
  local function calls(at)
    local name = 'window:' .. key.id .. ':' .. textOf(at)
    local scope = scopeNamed(name)
    return scope.calls + (tonumber(call('HGET', scope.key, 'calls')) or 0)
  end
  return calls(index) + (index > 0 and calls(index - 1) or 0)
end

-- Tokens of the last minute; what is older leaves the log and its sum.
local function loggedTokens(key)
  local logKey, sumKey = prefix .. 'tpm:' .. key.id, prefix .. 'tpmsum:' .. key.id
  local gone, less = call('ZRANGEBYSCORE', logKey, '-inf', now - RATE_MS), 0
  if #gone == 0 then return tonumber(call('GET', sumKey)) or 0 end
  for _, member in ipairs(gone) do less = less + tonumber(match(member, '%d+$')) end
  call('ZREMRANGEBYSCORE', logKey, '-inf', now - RATE_MS)
  return call('DECRBY', sumKey, less)
end

-- Tokens are counted as the call may use at worst until it ends. A call whose output can be cut counts the whole limit
-- at most, or a small limit would never let it through. Returns what it counts and what is counted then, or a refusal.
function seldom.countTokens(key, asked, least)
  if least <= key.tpm then asked = min(asked, max(least, key.tpm)) end
  local logKey, lostKey = prefix .. 'tpm:' .. key.id, prefix .. 'tpmlost:' .. key.id
  local sum, lost = loggedTokens(key), lostOf(lostKey)
  if sum + lost + asked <= key.tpm then return asked, sum + lost + asked end
  local lostMs = lost > 0 and max(0, call('PTTL', lostKey)) or 0
  local newest = call('ZRANGE', logKey, -1, -1, 'WITHSCORES')
  local retryMs, resetMs = lostMs, max(lostMs, newest[2] and newest[2] + RATE_MS - now or 0)
  if asked > key.tpm then
    retryMs = -1
  elseif sum + asked > key.tpm then
    local rest = sum
    local oldest = call('ZRANGE', logKey, 0, TOKEN_WALK_MAX - 1, 'WITHSCORES')
    for at = 1, #oldest, 2 do
      rest = rest - tonumber(match(oldest[at], '%d+$'))
      if rest + asked <= key.tpm or at == #oldest - 1 then
        retryMs = max(retryMs, oldest[at + 1] + RATE_MS - now)
        break
      end
    end
  end
  return nil, seldom.refusal(key, 'tokens_limited', key.tpm, sum + lost, asked, retryMs, resetMs)
end

function seldom.logTokens(key, id, text)
  local logKey, sumKey = prefix .. 'tpm:' .. key.id, prefix .. 'tpmsum:' .. key.id
  call('ZADD', logKey, now, id .. '|' .. text)
  call('INCRBY', sumKey, text)
  call('PEXPIRE', logKey, RATE_MS)
  call('PEXPIRE', sumKey, RATE_MS)
end

-- What is answered beyond what every call is.
function seldom.extraAnswer(key, extra, accountLog)
  local balance, project = extra.balance, extra.project
  return format('|%d|%d|%d|%d|%d|%d|%d|%d|%d|%d|%d', balance and balance.limit or -1, balance and balance.spent or 0,
    balance and balance.held or 0, extra.tokens and key.tpm or -1,
    extra.tokens and max(0, key.tpm - extra.tokensUsed) or 0, extra.tokens or 0,
    extra.calls and key.parallel or -1, extra.calls or 0,
    accountLog and max(0, key.accountRpm - rateUsed(accountLog) - accountLog.lost) or 0,
    project and project.spent or 0, project and project.held or 0)
end

-- The answer that was given before.
function seldom.admittedBefore(key, entry)
  local windowName, dayName, admittedMs, held, at = match(entry, '^%a|%d+|([^|]+)|([^|]+)|[^|]+|(%d+)|(%d+)()')
  local marks, projectName = marksOf(entry, at)
  local index, extra, projectIndex = tonumber(match(windowName, '%d+$')), nil, nil
  -- A key that was put elsewhere in between answers without the project: its start is not known here any more.
  if key.project and projectName and find(projectName, key.project.id, 1, true) then
    projectIndex = tonumber(match(projectName, '%d+$'))
  end
  if marks or key.isMore then
    marks = marks or ''
    extra = { balance = find(marks, 'b', 1, true) and seldom.balanceScope(),
      calls = key.parallel and find(marks, 'c', 1, true) and seldom.callsInFlight(key, index),
      tokens = key.tpm and tonumber(match(marks, 't(%d+)')), tokensUsed = key.tpm and loggedTokens(key),
      project = projectIndex and readScope(scopeNamed(projectName), 0) }
  end
  local window, day = readScope(scopeNamed(windowName), 0), readScope(scopeNamed(dayName), 0)
  local period = newPeriod(key, index, sub(dayName, 5), projectIndex)
  return admission(key, period, admittedMs, held, window, day, rateUsed(rateLogOf(key)), extra)
end
