-- Admits calls and places their holds, or says why not; before it, ends calls. The whole admission of a call is this one atomic
-- step; calls of one account that came at the same time share it, each as if it had come after those before it.
--
-- KEYS  1 tl:{tag}:account
--       All other names depend on the calls, on TIME and on their keys' ids, so they are built here; they carry the same hash
--       tag, hence the same slot.
-- ARGV  1 run id of the Redis process, as the caller knows it   2 a day, counted from 1970, and   3 its UTC date: most likely
--       today, which is worked out here otherwise   4 how many calls end
--       then for each call that ends what settle.lua takes   then for each call to be admitted:
--       1 request id   2 hash of its key
--       3 'from|to|gateway id|model': in [from, to) the price that both holds were computed with applies; to is '' when open
--       4 hold at worst   5 least hold that makes sense (equal to 4 when the output cannot be clamped)
--       6 'worst|least': tokens at worst, and when the output is cut as far as it can be (equal to worst when it cannot)
-- Returns { the server's time in ms, settled, periods, answers, refused }. Fields of a text are joined by a bar: that costs a
-- third of what as many elements do. Where nothing was refused and no period is a list, all of it is one text: time, settled,
-- count of periods, periods, answers, joined by line breaks.
--   Settled is what settle.lua returns, '' without calls that end.
--   Refused lists those keys of refused calls that are in a project or have tags: keyId, project id ('' = none), tags.
--   A period is what admitted calls of one key have in common, a text:
--       keyId, accountId, window index, window start, day, rpm limit, budget limit, day limit (-1 = none)
--   or a list of that text and, if the key has one of them: account rpm limit (-1 = none), tags, and if it is in a project: its id, window index,
--   window start, budget (-1 = none)
--   The answer to an admitted call is a text that begins with the number of its period, from 1 on:
--       period, admitted at, hold, rpm left, spent, held, day spent, day held (both 0 without a day limit); and if the key or its
--       account has one of them: balance limit (-1 = metered), spent, held, token limit (-1 = none), left, counted,
--       parallel limit (-1 = none), calls in flight, account rpm left, project spent, project held (0 without a budget)
--   That to a refused one is a list that begins with the reason:
--       unknown_epoch, unknown_key
--       key_revoked, key_expired, price_moved   keyId, accountId
--     and from here on, what is left (a text, see seldom.leftText) comes behind the accountId:
--       model_not_allowed, pending_full   keyId, accountId, left
--       unknown_scope      keyId, accountId, left, scope, ...
--       rate_limited, account_rate_limited
--                          keyId, accountId, left, limit, retry after ms, reset ms
--       parallel_limited   keyId, accountId, left, limit, calls in flight
--       tokens_limited     keyId, accountId, left, limit, used, asked, retry after ms (-1 = it never fits), reset ms
--       budget_exceeded, budget_held, daily_limit_reached, daily_limit_held, insufficient_balance, balance_held
--                          keyId, accountId, left, limit, spent, held, reset ms
--       project_budget_exceeded, project_budget_held
--                          the same, and the name of the project
--
-- Invariant: after it, total + settled + held <= limit holds in every scope in which it held before. A refusal writes
-- nothing that counts (stale entries leave the token log, a projection is packed). The balance is a scope whose limit lies beside its total, because
-- metering grants it. The same request id again returns its admission and changes nothing. Calls end first, so
-- that what they give back is there for those that begin.
local DAY_MS, PENDING_MAX, ADMIT_FIELDS, FIRST_SETTLED = 86400000, 100000, 6, 5
local PACKED = '^([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)$'
local NONE, UNKNOWN = {}, { isRefused = true }
-- Of this run.
local args, periods, isPlain, today, todayMs, todayText, nowText, accountRate, openCount

-- What calls say of their price and model. Texts of few kinds, as long as prices do not change.
local PLANS_MAX = 1000
local plans, planCount = {}, 0
local function planOf(text)
  local plan = plans[text]
  if not plan then
    local from, to, gateway, model = match(text, '^(%d+)|(%d*)|([^|]*)|(.*)$')
    plan = { fromMs = tonumber(from), toMs = tonumber(to) or math.huge, gateway = gateway, field = 'm:' .. model }
    if planCount >= PLANS_MAX then plans, planCount = {}, 0 end
    plans[text], planCount = plan, planCount + 1
  end
  return plan
end

local function parseKey(name, packed)
  local id, accountId, revoked, expiresMs, mintedMs, budget, rpm, dayLimit, kind, tpm, parallel, more, anyModel = match(packed, PACKED)
  return { packed = packed, name = name, id = id, accountId = accountId, isRevoked = revoked == '1', expiresMs = tonumber(expiresMs),
    mintedMs = tonumber(mintedMs), budget = tonumber(budget), rpm = tonumber(rpm), dayLimit = tonumber(dayLimit) or -1,
    isPrepaid = kind == 'prepaid', tpm = tonumber(tpm), parallel = tonumber(parallel), isMore = more ~= '',
    isAnyModelAllowed = anyModel ~= '', index = false, dayName = false, beganMs = 0, windowName = false, places = false, text = false,
    run = 0, field = false, isAllowed = false, limits = NONE, window = false, day = false, scopes = {}, rate = false, period = false,
    isUnknown = false, isRefused = false, accountRpm = false, tags = false, project = false, balance = false }
end

local function keyOf(hash, plan)
  local key = account.keys[hash]
  if key and key.run == runNumber then return key end
  local name = key and key.name or prefix .. 'key:' .. hash
  local fields = call('HMGET', name, 'p', plan.field)
  local packed = fields[1]
  if not packed or packed == '' then packed = seldom.packKey(name) end
  if not packed then return UNKNOWN end
  if not key or key.packed ~= packed then
    key = parseKey(name, packed)
    account.keys[hash], cached = key, cached + 1
  end
  key.run, key.field, key.isAllowed = runNumber, plan.field, key.isAnyModelAllowed or fields[2]
  key.limits, key.window, key.rate, key.period, key.isUnknown, key.isRefused = NONE, false, false, false, false, false
  if key.isMore then seldom.readMore(key) end
  return key
end

local function isAllowed(key, plan)
  if key.isAnyModelAllowed or key.field == plan.field then return key.isAllowed end
  return call('HGET', key.name, plan.field)
end

-- Where no limit is on the day its holds are added up unread.
local function dayOf(isLimited)
  if not today then
    local number = floor(now / DAY_MS)
    todayMs, todayText = number * DAY_MS, tonumber(args[2]) == number and args[3] or seldom.dateOf(number)
    today = openScope('day:' .. todayText, todayMs, todayMs + DAY_MS)
  end
  if isLimited or today.isRead then readScope(today, todayMs) end
  return today
end

-- The scopes that a call of this key counts in now, and its limits beside its budget in the order in which they refuse.
local function openPeriod(key)
  local index = max(0, floor((now - key.mintedMs) / 2592000000))
  local day = dayOf(key.dayLimit >= 0)
  if key.index ~= index or key.dayName ~= day.name then
    local windowName = 'window:' .. key.id .. ':' .. textOf(index)
    key.index, key.dayName, key.windowName, key.places = index, day.name, windowName, windowName .. '|' .. day.name
    key.beganMs, key.text = key.mintedMs + index * 2592000000, false
  end
  local window = readScope(openScope(key.windowName, key.beganMs, key.beganMs + 2592000000), key.beganMs)
  local scopes = key.scopes
  key.window, key.day, scopes[1], scopes[2], scopes[3], scopes[4] = window, day, window, day, nil, nil
  if not window.total then key.isUnknown = true end
  if not key.project and key.dayLimit < 0 and not key.isPrepaid then return end
  local limits = {}
  key.limits = limits
  if key.project then seldom.openProject(key) end
  if key.dayLimit >= 0 then
    limits[#limits + 1] = { scope = day, limit = key.dayLimit, spentOut = 'daily_limit_reached', heldOut = 'daily_limit_held', endMs = day.endMs }
  end
  if key.isPrepaid then seldom.openBalance(key) end
  for at = 1, #limits do
    if not (limits[at].scope.total and limits[at].limit) then key.isUnknown = true end
  end
end

-- The log of the key's last minute. In the first minute of an epoch it is what gateways say they admitted before it was lost: a
-- count per key, taken as if all of it were still in the window until a minute after it was reported. Too strict, never too
-- generous.
local function openRateLog(id)
  local log = account.logs[id]
  if not log then
    log = newRateLog(prefix .. 'rate:' .. id)
    account.logs[id], cached = log, cached + 1
  end
  readRateLog(log, now)
  if not mayWrite then
    -- What is still to be put right is counted as it stands.
  elseif log.sum == 0 and not log.isPast then
    seldom.takeOldLog(log, id)
  elseif log.newestMs > now + RATE_STEP_BACK_MS then
    restartRateLog(log, rateUsed(log), now)
    writeRateLog(log, now)
  end
  if now - openedMs < RATE_MS then
    log.lostKey = prefix .. 'rpmlost:' .. id
    log.lost = seldom.lostCalls(log)
  end
  return log
end

function rateLogOf(key)
  key.rate = key.rate or openRateLog(key.id)
  return key.rate
end

-- The same over all keys of the account whose plan limits it: one log for all of them.
function accountRateLog()
  accountRate = accountRate or openRateLog('account')
  return accountRate
end

local function periodText(key, index, day)
  return format('%s|%s|%d|%d|%s|%d|%d|%d', key.id, key.accountId, index, key.mintedMs + index * 2592000000, day, key.rpm, key.budget,
    key.dayLimit)
end

function newPeriod(key, index, day, projectIndex)
  local period
  if index == key.index and key.window and day == todayText then
    key.text = key.text or periodText(key, index, day)
    period = key.text
  else
    period = periodText(key, index, day)
  end
  if key.isMore then
    isPlain = false
    period = { period, key.accountRpm or -1, key.tags }
    if projectIndex then
      local project = key.project
      period[4], period[5], period[6] = project.id, projectIndex, project.startMs + projectIndex * 2592000000
      period[7] = project.budget or -1
    end
  end
  periods[#periods + 1] = period
  return #periods
end

function admission(key, period, atText, heldText, window, day, rpmUsed, extra)
  local ofDay = day.isRead and spentTextOf(day) .. '|' .. heldTextOf(day) or '0|0'
  local answer = textOf(period) .. '|' .. atText .. '|' .. heldText .. '|' .. textOf(max(0, key.rpm - rpmUsed)) .. '|' .. spentTextOf(window)
    .. '|' .. heldTextOf(window) .. '|' .. ofDay
  if not extra then return answer end
  return answer .. seldom.extraAnswer(key, extra, key.accountRpm and accountRateLog())
end

-- How much the limits leave for a call that asks for `grant` and can do with `least`, or nil and the refusal.
local function grantOf(key, grant, least)
  local window, limits = key.window, key.limits
  grant = min(grant, key.budget - window.spent - window.held)
  if grant < least then
    local reason = key.budget - window.spent < least and 'budget_exceeded' or 'budget_held'
    return nil, seldom.refusal(key, reason, key.budget, window.spent, window.held, window.endMs - now)
  end
  for at = 1, #limits do
    local entry = limits[at]
    local scope, limit = entry.scope, entry.limit
    grant = min(grant, limit - scope.spent - scope.held)
    if grant < least then
      local reason = limit - scope.spent < least and entry.spentOut or entry.heldOut
      local refusal = seldom.refusal(key, reason, limit, scope.spent, scope.held, entry.endMs - now)
      if entry.isProject then refusal[#refusal + 1] = call('HGET', key.name, 'projectName') or key.project.id end
      return nil, refusal
    end
  end
  return grant
end

local function admitCall(at, key, plan, known, write)
  local id = args[at]
  if not key.id then return { 'unknown_key' } end
  if known[id] then return seldom.admittedBefore(key, known[id]) end

  -- Who is asking (401), then what for (403), then how much (429 and 402).
  if key.isRevoked then return { 'key_revoked', key.id, key.accountId } end
  if now >= key.expiresMs then return { 'key_expired', key.id, key.accountId } end
  if not key.window then openPeriod(key) end
  if not isAllowed(key, plan) then return seldom.refusal(key, 'model_not_allowed') end
  if now < plan.fromMs or now >= plan.toMs then return { 'price_moved', key.id, key.accountId } end
  openCount = openCount or call('HLEN', account.open)
  if openCount >= PENDING_MAX then return seldom.refusal(key, 'pending_full') end
  if key.isUnknown then return seldom.refusal(key, 'unknown_scope', unpack(seldom.unknownScopes(key))) end

  -- Exact rolling minute: an entry counts while it is less than 60 s old, and a refused call leaves none.
  local log = key.rate or rateLogOf(key)
  if rateUsed(log) + log.lost >= key.rpm then return seldom.rateRefusal(key, log, key.rpm, 'rate_limited') end
  local allKeys = key.accountRpm and accountRateLog()
  if allKeys and rateUsed(allKeys) + allKeys.lost >= key.accountRpm then
    return seldom.rateRefusal(key, allKeys, key.accountRpm, 'account_rate_limited')
  end
  local extra
  if key.isPrepaid or key.parallel or key.tpm or key.isMore then
    extra = { balance = key.isPrepaid and key.balance, project = key.project and key.project.scope }
  end
  if key.parallel then
    extra.calls = seldom.callsInFlight(key, key.index)
    if extra.calls >= key.parallel then
      return seldom.refusal(key, 'parallel_limited', key.parallel, extra.calls)
    end
  end
  if key.tpm then
    local worst, least = match(args[at + 5], '^(%d+)|(%d+)$')
    local counted, used = seldom.countTokens(key, tonumber(worst), tonumber(least))
    if not counted then return used end
    extra.tokens, extra.tokensUsed = counted, used
  end
  local grant, refusal = grantOf(key, numberOf(args[at + 3]), numberOf(args[at + 4]))
  if not grant then return refusal end

  local scopes = key.scopes
  for index = 1, #scopes do change(scopes[index], grant, 0) end
  log.added, openCount = log.added + 1, openCount + 1
  if allKeys then allKeys.added = allKeys.added + 1 end
  nowText = nowText or textOf(now)
  local grantText = textOf(grant)
  local entry = 'h|' .. grantText .. '|' .. key.places .. '|' .. plan.gateway .. '|' .. nowText .. '|' .. grantText
  if extra then
    local marks = (key.isPrepaid and 'b' or '') .. (key.parallel and 'c' or '')
    if key.parallel then
      key.window.calls = key.window.calls + 1
      extra.calls = extra.calls + 1
    end
    if key.tpm then
      local text = textOf(extra.tokens)
      marks = marks .. 't' .. text
      seldom.logTokens(key, id, text)
    end
    if marks ~= '' then entry = entry .. '|' .. marks end
    if key.project then entry = entry .. '|' .. key.project.scope.name end
  end
  known[id], write[#write + 1], write[#write + 2] = entry, id, entry
  key.period = key.period or newPeriod(key, key.index, todayText, key.project and key.project.index)
  return admission(key, key.period, nowText, grantText, key.window, key.day, rateUsed(log) + log.lost, extra)
end

-- Admits the calls from argument `first` on. Returns their answers, the refused keys, and which keys were asked for.
local function admitCalls(first, known, write)
  local answers, refused, asked = {}, {}, {}
  for at = first, #args, ADMIT_FIELDS do
    local plan = planOf(args[at + 2])
    local key = keyOf(args[at + 1], plan)
    local answer = admitCall(at, key, plan, known, write)
    answers[#answers + 1], asked[#asked + 1] = answer, key
    if type(answer) == 'table' then
      isPlain = false
      if key.isMore and not key.isRefused then
        key.isRefused = true
        refused[#refused + 1] = { key.id, key.project and key.project.id or '', key.tags }
      end
    end
  end
  return answers, refused, asked
end

local function writeRateLogs(asked)
  for at = 1, #asked do
    local log = asked[at].rate
    if log then writeRateLog(log, now) end
  end
  if accountRate then writeRateLog(accountRate, now) end
end

local function replyOf(settled, answers, refused)
  if not isPlain then return { now, settled, periods, answers, refused } end
  return table.concat({ nowText or textOf(now), settled, textOf(#periods), table.concat(periods, '\n'), table.concat(answers, '\n') }, '\n')
end

local function admit(KEYS, ARGV)
  beginRun(KEYS[1])
  readTime()
  args, periods, isPlain, today, nowText, accountRate, openCount, mayWrite = ARGV, {}, true, nil, nil, nil, nil, true
  local settlings = tonumber(ARGV[4])
  local first = FIRST_SETTLED + settlings * SETTLE_FIELDS
  local ids = {}
  for at = FIRST_SETTLED, first - 1, SETTLE_FIELDS do ids[#ids + 1] = ARGV[at] end
  for at = first, #ARGV, ADMIT_FIELDS do ids[#ids + 1] = ARGV[at] end
  local known, write = readEntries(ids), { 'HSET', account.open }
  local settled = settlings == 0 and '' or settleCalls(ARGV, FIRST_SETTLED, first - 1, known, write)

  -- State of another Redis process (restored, or never rebuilt) is unknown, not zero.
  local state = call('HMGET', KEYS[1], 'epoch', 'epochOpenedMs')
  local answers, refused, asked = {}, {}, {}
  if state[1] == ARGV[1] then
    openedMs = numberOf(state[2])
    answers, refused, asked = admitCalls(first, known, write)
  else
    isPlain = false
    for at = first, #ARGV, ADMIT_FIELDS do answers[#answers + 1] = { 'unknown_epoch' } end
  end
  if #write > 2 then call(unpack(write)) end
  writeScopes()
  writeRateLogs(asked)
  return replyOf(settled, answers, refused)
end
