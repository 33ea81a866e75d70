-- What few calls need of admit.lua: caps on tokens and on calls in flight, balances, projects, refusals, repeated requests, and
-- the forms of earlier releases. A script makes its functions anew in each run, so these are made only in runs that need one.
--
-- `run` has what they share with admit.lua: now, prefix, openedMs, scopes by name, scopeOf and newPeriod.
local WINDOW_MS = 2592000000
local function seldomOf(run)
  local now, prefix, scopes, scopeOf = run.now, run.prefix, run.scopes, run.scopeOf
  -- Entries of the token log that are walked to find when a refused call will fit; beyond it the answer is too early.
  local TOKEN_WALK_MAX = 1000
  local seldom = {}

  -- Writes what admission needs of a projection into one field of it, behind the projection's own (project-key.lua deletes it with
  -- them): one field is read in a third of the time of twelve. Returns it.
  function seldom.packKey(name)
    local fields = redis.call('HMGET', name, 'keyId', 'accountId', 'revoked', 'expiresAtMs', 'mintedAtMs', 'budget', 'rpm',
      'dailyLimit', 'kind', 'tpm', 'parallel', 'more')
    if not fields[1] then return nil end
    for at = 1, 12 do fields[at] = fields[at] or '' end
    local packed = table.concat(fields, '|')
    redis.call('HSET', name, 'packed', packed)
    return packed
  end

  -- What few keys have is read only for those.
  function seldom.readMore(key)
    local more = redis.call('HMGET', key.name, 'accountRpm', 'tags', 'projectId', 'projectStart', 'projectBudget')
    key.hasMore, key.accountRpm, key.tags = true, tonumber(more[1]), more[2] or ''
    if more[3] then key.project = { id = more[3], startMs = tonumber(more[4]), budget = tonumber(more[5]) } end
  end

  -- UTC date of a count of days since 1970 (Gregorian, proleptic), because Redis gives scripts no os.date:
  -- years are counted from 1 March so that the leap day comes last, in eras of 400 years.
  function seldom.dateOf(days)
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
  function seldom.balanceScope()
    local balance = scopeOf('balance', 0)
    if not balance.limit then balance.limit = tonumber(redis.call('HGET', balance.key, 'limit')) end
    return balance
  end

  -- The further scopes of a key, and the limits on them.
  function seldom.openProject(key)
    local project = key.project
    project.index = math.max(0, math.floor((now - project.startMs) / WINDOW_MS))
    local began = project.startMs + project.index * WINDOW_MS
    project.scope = scopeOf('project:' .. project.id .. ':' .. textOf(project.index), began, began + WINDOW_MS)
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
    local refusal = { 'unknown_scope', key.id, key.accountId }
    for _, scope in ipairs(key.scopes) do
      scopeOf(scope.name, scope.beganMs, scope.endMs)
      if not scope.total or (scope.name == 'balance' and not scope.limit) then refusal[#refusal + 1] = scope.name end
    end
    return refusal
  end

  -- Counts that gateways reported of the minute before Redis was lost.
  local function lostOf(lostKey)
    local lost = 0
    if now - run.openedMs < RATE_MS then
      for _, count in ipairs(redis.call('HVALS', lostKey)) do lost = lost + tonumber(count) end
    end
    return lost
  end

  function seldom.lostCalls(log) return lostOf(log.lostKey) end

  -- The log of a key without one: the release before the last kept another kind. What that counted counts until a minute after it is
  -- found.
  function seldom.takeOldLog(log, id)
    local before = redis.call('ZCOUNT', prefix .. 'rpm:' .. id, '(' .. textOf(now - RATE_MS), '+inf')
    if before == 0 then return end
    restartRateLog(log, before, now)
    writeRateLog(log, now)
  end

  function seldom.rateRefusal(key, log, limit, reason)
    local counted = rateUsed(log)
    local retryMs = log.lost > 0 and math.max(0, redis.call('PTTL', log.lostKey)) or 0
    local resetMs = retryMs
    if counted > 0 then resetMs = math.max(resetMs, rateEndsAtMs(log, now) - now) end
    if counted >= limit then retryMs = math.max(retryMs, rateLeavesAtMs(log, limit, now) - now) end
    return { reason, key.id, key.accountId, limit, retryMs, resetMs }
  end

  -- Calls of the key in flight: those of a window that has just ended are among them.
  function seldom.callsInFlight(key, index)
    local function calls(at)
      local name = 'window:' .. key.id .. ':' .. textOf(at)
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
  function seldom.countTokens(key, asked, least)
    if least <= key.tpm then asked = math.min(asked, math.max(least, key.tpm)) end
    local logKey, lostKey = prefix .. 'tpm:' .. key.id, prefix .. 'tpmlost:' .. key.id
    local sum, lost = loggedTokens(key), lostOf(lostKey)
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

  function seldom.logTokens(key, id, text)
    local logKey, sumKey = prefix .. 'tpm:' .. key.id, prefix .. 'tpmsum:' .. key.id
    redis.call('ZADD', logKey, now, id .. '|' .. text)
    redis.call('INCRBY', sumKey, text)
    redis.call('PEXPIRE', logKey, RATE_MS)
    redis.call('PEXPIRE', sumKey, RATE_MS)
  end

  -- What is answered beyond what every call is.
  function seldom.extraAnswer(key, extra, accountLog)
    local balance, project = extra.balance, extra.project
    return string.format('|%d|%d|%d|%d|%d|%d|%d|%d|%d|%d|%d', balance and balance.limit or -1, balance and balance.spent or 0,
      balance and balance.held or 0, extra.tokens and key.tpm or -1,
      extra.tokens and math.max(0, key.tpm - extra.tokensUsed) or 0, extra.tokens or 0,
      extra.calls and key.parallel or -1, extra.calls or 0,
      accountLog and math.max(0, key.accountRpm - rateUsed(accountLog) - accountLog.lost) or 0,
      project and project.spent or 0, project and project.held or 0)
  end

  -- The answer that was given before.
  function seldom.admittedBefore(key, entry)
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
      extra = { balance = string.find(marks, 'b', 1, true) and seldom.balanceScope(),
        calls = key.parallel and string.find(marks, 'c', 1, true) and seldom.callsInFlight(key, index),
        tokens = key.tpm and tonumber(string.match(marks, 't(%d+)')), tokensUsed = key.tpm and loggedTokens(key),
        project = projectIndex and scopeOf(projectName, 0) }
    end
    local day = scopeOf(dayName, 0)
    return run.admission(key, run.newPeriod(key, index, day, projectIndex), tonumber(admittedMs), tonumber(held),
      scopeOf(windowName, 0), day, rateUsed(run.rateLogOf(key)), extra)
  end

  return seldom
end
