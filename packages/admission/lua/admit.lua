-- Admits one call and places its hold, or says why not. The whole admission of a call is this one atomic step.
--
-- KEYS  1 tl:{tag}:account   2 tl:{tag}:key:<keyHash>   3 tl:{tag}:open   4 tl:{tag}:scopes
--       Scope and rate keys depend on TIME and on the key's id, so they are built here from ARGV[1]; they carry the same
--       hash tag, hence the same slot.
-- ARGV  1 prefix "tl:{tag}:"   2 request id   3 gateway id   4 run id of the Redis process, as the caller knows it
--       5 model   6 hold at worst   7 least hold that makes sense (equal to 6 when the output cannot be clamped)
--       8, 9 the interval [from, to) in which the price that both holds were computed with applies; 9 is '' when open
--       10 tokens at worst   11 tokens when the output is cut as far as it can be (equal to 10 when it cannot)
-- Returns a flat array; [1] is the outcome, [2] the server's time in ms:
--   admitted       now, keyId, accountId, window index, window start, day, hold, rpm limit, rpm left, rpm reset ms,
--                  budget limit, spent, held, day limit (-1 = none), day spent, day held; and if the key or its account has
--                  one of them: balance limit (-1 = metered), spent, held, token limit (-1 = none), left, counted,
--                  parallel limit (-1 = none), calls in flight
--   unknown_epoch, unknown_key   now
--   key_revoked, key_expired, model_not_allowed, price_moved, pending_full   now, keyId, accountId
--   unknown_scope  now, keyId, accountId, scope, ...
--   rate_limited   now, keyId, accountId, limit, retry after ms, reset ms
--   parallel_limited   now, keyId, accountId, limit, calls in flight
--   tokens_limited     now, keyId, accountId, limit, used, asked, retry after ms (-1 = it never fits), reset ms
--   budget_exceeded, budget_held, daily_limit_reached, daily_limit_held, insufficient_balance, balance_held   now, keyId, accountId, limit, spent, held, reset ms
--
-- Invariant: after it, total + settled + held <= limit holds in every scope in which it held before. A refusal writes
-- nothing that counts (stale entries leave the logs). The balance is a scope whose limit lies beside its total, because
-- metering grants it. An entry names what else it counts in by marks: b the balance, c the key's calls in flight, t<n> the
-- key's tokens; an entry of the release before has none, and counts in none. The same request id again returns its admission and changes nothing.
local WINDOW_MS, DAY_MS, RPM_MS, PENDING_MAX = 2592000000, 86400000, 60000, 100000
-- Entries of the token log that are walked to find when a refused call will fit; beyond it the answer is too early.
local TOKEN_WALK_MAX = 1000
-- What clocks may differ by: a window begins by the control plane's, a day began by the one of the Redis before this.
local CLOCK_MARGIN_MS = 60000

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local prefix, id = ARGV[1], ARGV[2]

-- State of another Redis process (restored, or never rebuilt) is unknown, not zero.
local account = redis.call('HMGET', KEYS[1], 'epoch', 'epochOpenedMs')
if account[1] ~= ARGV[4] then return { 'unknown_epoch', now } end
local openedMs = tonumber(account[2])

local key = redis.call('HMGET', KEYS[2], 'keyId', 'accountId', 'revoked', 'expiresAtMs', 'mintedAtMs', 'budget', 'rpm',
  'dailyLimit', 'm:*', 'm:' .. ARGV[5], 'kind', 'tpm', 'parallel')
local keyId, accountId = key[1], key[2]
if not keyId then return { 'unknown_key', now } end
local minted, budget, rpmLimit = tonumber(key[5]), tonumber(key[6]), tonumber(key[7])
local dayLimit = tonumber(key[8]) or -1
local tokenLimit, parallelLimit = tonumber(key[12]), tonumber(key[13])

local rpmKey, tokenKey, tokenSumKey = prefix .. 'rpm:' .. keyId, prefix .. 'tpm:' .. keyId, prefix .. 'tpmsum:' .. keyId

-- Reads a scope. Its total is nil when this Redis cannot know it: an absent total is 0 only if the scope began after this
-- epoch opened and nothing of it was acknowledged meanwhile (a version without a total says so). "After" is believed by a
-- margin only: a scope that began by a clock which was ahead may have been spent from before Redis was lost.
local function scopeOf(name, beganMs)
  local fields = redis.call('HMGET', prefix .. 'scope:' .. name, 'total', 'version', 'settled', 'held', 'endMs')
  local total = tonumber(fields[1])
  local isNew = not total and not fields[2] and beganMs > openedMs + CLOCK_MARGIN_MS
  if isNew then total = 0 end
  return { name = name, total = total, spent = (total or 0) + (tonumber(fields[3]) or 0), held = tonumber(fields[4]) or 0,
    isNew = isNew, isRegistered = fields[5] }
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
  balance.limit = tonumber(redis.call('HGET', prefix .. 'scope:balance', 'limit'))
  return balance
end

-- Calls of the key in flight: those of a window that has just ended are among them.
local function callsInFlight(index)
  local function calls(at)
    return tonumber(redis.call('HGET', prefix .. 'scope:window:' .. keyId .. ':' .. string.format('%d', at), 'calls')) or 0
  end
  return calls(index) + (index > 0 and calls(index - 1) or 0)
end

-- Tokens of the last minute; what is older leaves the log and its sum.
local function loggedTokens()
  local gone, less = redis.call('ZRANGEBYSCORE', tokenKey, '-inf', now - RPM_MS), 0
  if #gone == 0 then return tonumber(redis.call('GET', tokenSumKey)) or 0 end
  for _, member in ipairs(gone) do less = less + tonumber(string.match(member, '%d+$')) end
  redis.call('ZREMRANGEBYSCORE', tokenKey, '-inf', now - RPM_MS)
  return redis.call('DECRBY', tokenSumKey, less)
end

local function admission(at, window, day, index, hold, rpmUsed, extra)
  local reply = { 'admitted', at, keyId, accountId, index, minted + index * WINDOW_MS, string.sub(day.name, 5), hold,
    rpmLimit, math.max(0, rpmLimit - rpmUsed), RPM_MS, budget, window.spent, window.held, dayLimit, day.spent, day.held }
  if extra then
    local balance = extra.balance
    for _, value in ipairs({ balance and balance.limit or -1, balance and balance.spent or 0, balance and balance.held or 0,
      extra.tokens and tokenLimit or -1, extra.tokens and math.max(0, tokenLimit - extra.tokensUsed) or 0, extra.tokens or 0,
      extra.calls and parallelLimit or -1, extra.calls or 0 }) do reply[#reply + 1] = value end
  end
  return reply
end

local entry = redis.call('HGET', KEYS[3], id)
if entry then
  local windowName, dayName, admittedMs, hold, marks =
    string.match(entry, '^%a|%d+|([^|]+)|([^|]+)|[^|]+|(%d+)|(%d+)|?(%w*)$')
  local index, extra = tonumber(string.match(windowName, '%d+$')), nil
  if marks ~= '' then
    extra = { balance = string.find(marks, 'b', 1, true) and balanceScope(),
      calls = parallelLimit and string.find(marks, 'c', 1, true) and callsInFlight(index),
      tokens = tokenLimit and tonumber(string.match(marks, 't(%d+)')), tokensUsed = tokenLimit and loggedTokens() }
  end
  return admission(tonumber(admittedMs), scopeOf(windowName, 0), scopeOf(dayName, 0), index, tonumber(hold),
    redis.call('ZCOUNT', rpmKey, '(' .. (now - RPM_MS), '+inf'), extra)
end

-- Who is asking (401), then what for (403), then how much (429 and 402).
if key[3] == '1' then return { 'key_revoked', now, keyId, accountId } end
if now >= tonumber(key[4]) then return { 'key_expired', now, keyId, accountId } end
if not key[9] and not key[10] then return { 'model_not_allowed', now, keyId, accountId } end
if now < tonumber(ARGV[8]) or (ARGV[9] ~= '' and now >= tonumber(ARGV[9])) then
  return { 'price_moved', now, keyId, accountId }
end
if redis.call('HLEN', KEYS[3]) >= PENDING_MAX then return { 'pending_full', now, keyId, accountId } end

local index = math.max(0, math.floor((now - minted) / WINDOW_MS))
local windowStart, dayStart = minted + index * WINDOW_MS, now - now % DAY_MS
local window = scopeOf('window:' .. keyId .. ':' .. string.format('%d', index), windowStart)
local day = scopeOf('day:' .. dateOf(dayStart / DAY_MS), dayStart)
local balance = key[11] == 'prepaid' and balanceScope() or nil
local isBalanceUnknown = balance and not (balance.total and balance.limit)
if not window.total or (dayLimit >= 0 and not day.total) or isBalanceUnknown then
  local reply = { 'unknown_scope', now, keyId, accountId }
  if not window.total then reply[#reply + 1] = window.name end
  if not day.total then reply[#reply + 1] = day.name end
  if isBalanceUnknown then reply[#reply + 1] = 'balance' end
  return reply
end

-- Exact rolling minute: an entry counts while it is less than 60 s old, and a refused call leaves none.
redis.call('ZREMRANGEBYSCORE', rpmKey, '-inf', now - RPM_MS)
local logged = redis.call('ZCARD', rpmKey)
local rpmUsed, lostKey = logged, prefix .. 'rpmlost:' .. keyId
-- In the first minute of an epoch the log is what gateways say they admitted before it was lost: a count per key, taken
-- as if all of it were still in the window until a minute after it was reported. Too strict, never too generous.
if now - openedMs < RPM_MS then
  for _, count in ipairs(redis.call('HVALS', lostKey)) do rpmUsed = rpmUsed + tonumber(count) end
end
if rpmUsed >= rpmLimit then
  local retryMs = rpmUsed > logged and math.max(0, redis.call('PTTL', lostKey)) or 0
  local resetMs = retryMs
  if logged > 0 then
    local newest = redis.call('ZRANGE', rpmKey, -1, -1, 'WITHSCORES')
    resetMs = math.max(resetMs, newest[2] + RPM_MS - now)
  end
  if logged >= rpmLimit then
    -- The limit may have been lowered: as many of the oldest must leave as stand above it, and one more.
    local leaving = redis.call('ZRANGE', rpmKey, logged - rpmLimit, logged - rpmLimit, 'WITHSCORES')
    retryMs = math.max(retryMs, leaving[2] + RPM_MS - now)
  end
  return { 'rate_limited', now, keyId, accountId, rpmLimit, retryMs, resetMs }
end

local extra
if balance or parallelLimit or tokenLimit then extra = { balance = balance } end
if parallelLimit then
  extra.calls = callsInFlight(index)
  if extra.calls >= parallelLimit then return { 'parallel_limited', now, keyId, accountId, parallelLimit, extra.calls } end
end

-- Tokens are counted as the call may use at worst until it ends. A call whose output can be cut counts the whole limit
-- at most, or a small limit would never let it through.
if tokenLimit then
  local asked, leastTokens = tonumber(ARGV[10]), tonumber(ARGV[11])
  if leastTokens <= tokenLimit then asked = math.min(asked, math.max(leastTokens, tokenLimit)) end
  local sum, lost, tokensLostKey = loggedTokens(), 0, prefix .. 'tpmlost:' .. keyId
  if now - openedMs < RPM_MS then
    for _, count in ipairs(redis.call('HVALS', tokensLostKey)) do lost = lost + tonumber(count) end
  end
  if sum + lost + asked > tokenLimit then
    local lostMs = lost > 0 and math.max(0, redis.call('PTTL', tokensLostKey)) or 0
    local newest = redis.call('ZRANGE', tokenKey, -1, -1, 'WITHSCORES')
    local retryMs, resetMs = lostMs, math.max(lostMs, newest[2] and newest[2] + RPM_MS - now or 0)
    if asked > tokenLimit then
      retryMs = -1
    elseif sum + asked > tokenLimit then
      local rest = sum
      local oldest = redis.call('ZRANGE', tokenKey, 0, TOKEN_WALK_MAX - 1, 'WITHSCORES')
      for at = 1, #oldest, 2 do
        rest = rest - tonumber(string.match(oldest[at], '%d+$'))
        if rest + asked <= tokenLimit or at == #oldest - 1 then
          retryMs = math.max(retryMs, oldest[at + 1] + RPM_MS - now)
          break
        end
      end
    end
    return { 'tokens_limited', now, keyId, accountId, tokenLimit, sum + lost, asked, retryMs, resetMs }
  end
  extra.tokens, extra.tokensUsed = asked, sum + lost + asked
end

local least, grant = tonumber(ARGV[7]), tonumber(ARGV[6])
local function refusal(scope, limit, spentOut, heldOut, endMs)
  local reason = limit - scope.spent < least and spentOut or heldOut
  return { reason, now, keyId, accountId, limit, scope.spent, scope.held, endMs - now }
end
local windowEnd, dayEnd = windowStart + WINDOW_MS, dayStart + DAY_MS
grant = math.min(grant, budget - window.spent - window.held)
if grant < least then return refusal(window, budget, 'budget_exceeded', 'budget_held', windowEnd) end
if dayLimit >= 0 then
  grant = math.min(grant, dayLimit - day.spent - day.held)
  if grant < least then return refusal(day, dayLimit, 'daily_limit_reached', 'daily_limit_held', dayEnd) end
end
if balance then
  grant = math.min(grant, balance.limit - balance.spent - balance.held)
  if grant < least then return refusal(balance, balance.limit, 'insufficient_balance', 'balance_held', now) end
end

-- The index lets a rebuild find every scope, and the end lets the clean-up know when a scope is past. A zero total is
-- written down (version 0, as metering counts a scope without a row), so that acknowledgements find a total to raise.
local function register(scope, endMs)
  if scope.isRegistered and not scope.isNew then return end
  redis.call('SADD', KEYS[4], scope.name)
  redis.call('HSET', prefix .. 'scope:' .. scope.name, 'endMs', endMs)
  if scope.isNew then redis.call('HSET', prefix .. 'scope:' .. scope.name, 'total', 0, 'version', 0) end
end
register(window, windowEnd)
register(day, dayEnd)
redis.call('ZADD', rpmKey, now, id)
redis.call('PEXPIRE', rpmKey, RPM_MS)
-- %.0f, because Lua's own number to text keeps 14 digits only.
local value = string.format('h|%.0f|%s|%s|%s|%.0f|%.0f', grant, window.name, day.name, ARGV[3], now, grant)
if extra then
  local marks = (balance and 'b' or '') .. (parallelLimit and 'c' or '')
  if balance then balance.held = redis.call('HINCRBY', prefix .. 'scope:balance', 'held', grant) end
  if parallelLimit then
    redis.call('HINCRBY', prefix .. 'scope:' .. window.name, 'calls', 1)
    extra.calls = extra.calls + 1
  end
  if tokenLimit then
    local text = string.format('%.0f', extra.tokens)
    marks = marks .. 't' .. text
    redis.call('ZADD', tokenKey, now, id .. '|' .. text)
    redis.call('INCRBY', tokenSumKey, text)
    redis.call('PEXPIRE', tokenKey, RPM_MS)
    redis.call('PEXPIRE', tokenSumKey, RPM_MS)
  end
  value = value .. '|' .. marks
end
redis.call('HSET', KEYS[3], id, value)
window.held = redis.call('HINCRBY', prefix .. 'scope:' .. window.name, 'held', grant)
day.held = redis.call('HINCRBY', prefix .. 'scope:' .. day.name, 'held', grant)
return admission(now, window, day, index, grant, rpmUsed + 1, extra)
