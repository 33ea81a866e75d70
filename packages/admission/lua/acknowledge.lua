-- Takes in what metering committed: raises totals and drops the pending amounts that they now include, in one step, so
-- that no instant counts a call twice or not at all.
--
-- KEYS  1 tl:{tag}:open   2 tl:{tag}:scopes
-- ARGV  1 prefix "tl:{tag}:"   2 count of totals   then scope, total, version, limit ('' = it has none) for each
--       then the request ids
-- Returns { pending amounts removed, totals raised }
--
-- Invariant: total + settled never falls below what was really spent. Acknowledgements arrive in any order, so a total is
-- raised only where one is known, and only by a newer version: an old one must not become the first total after Redis was
-- lost, since it lacks what later acknowledgements took away. A pending amount goes at most once. When it goes from a scope
-- whose total is unknown or did not come along, the scope is left as "must be fetched": a version without a total. The
-- next admission then answers unknown_scope, and only a total that was asked for after this instant is believed.
local KEEP_PAST_SCOPE_MS, TOTAL_FIELDS = 172800000, 4

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local prefix, totalCount = ARGV[1], tonumber(ARGV[2])

-- Scopes whose known total includes every id listed.
local covered, raised, touched = {}, 0, {}
for index = 0, totalCount - 1 do
  local at = 3 + index * TOTAL_FIELDS
  local scope, total, version, limit = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2]), ARGV[at + 3]
  local scopeKey = prefix .. 'scope:' .. scope
  local known = redis.call('HMGET', scopeKey, 'total', 'version')
  if known[1] then
    covered[scope], touched[scope] = true, true
    if version > tonumber(known[2]) then
      redis.call('HSET', scopeKey, 'total', total, 'version', version)
      if limit ~= '' then redis.call('HSET', scopeKey, 'limit', limit) end
      raised = raised + 1
    end
  end
end

local removed, less = 0, {}
local function subtract(scope, field, amount)
  local sums = less[scope]
  if not sums then
    sums = { held = 0, settled = 0, calls = 0 }
    less[scope], touched[scope] = sums, true
  end
  sums[field] = sums[field] + amount
end
for index = 3 + totalCount * TOTAL_FIELDS, #ARGV do
  local entry = redis.call('HGET', KEYS[1], ARGV[index])
  if entry then
    local state, amount, window, day, tail = string.match(entry, '^(%a)|(%d+)|([^|]+)|([^|]+)|(.+)$')
    local field = state == 'h' and 'held' or 'settled'
    subtract(window, field, tonumber(amount))
    subtract(day, field, tonumber(amount))
    local marks = string.match(tail, '|(%a%w*)$')
    if marks and string.find(marks, 'b', 1, true) then subtract('balance', field, tonumber(amount)) end
    if marks and state == 'h' and string.find(marks, 'c', 1, true) then subtract(window, 'calls', 1) end
    redis.call('HDEL', KEYS[1], ARGV[index])
    removed = removed + 1
  end
end
for scope, sums in pairs(less) do
  local scopeKey = prefix .. 'scope:' .. scope
  if sums.held > 0 then redis.call('HINCRBY', scopeKey, 'held', -sums.held) end
  if sums.settled > 0 then redis.call('HINCRBY', scopeKey, 'settled', -sums.settled) end
  if sums.calls > 0 then redis.call('HINCRBY', scopeKey, 'calls', -sums.calls) end
  if not covered[scope] and sums.held + sums.settled > 0 then
    redis.call('HSETNX', scopeKey, 'version', 0)
    redis.call('HDEL', scopeKey, 'total')
    redis.call('HSET', scopeKey, 'forgottenMs', now)
  end
end

-- Past scopes are dropped here, a few at a time, when nothing is pending in them: never by an expiry, which would let
-- time alone release a hold.
for _, scope in ipairs(redis.call('SRANDMEMBER', KEYS[2], 2)) do touched[scope] = true end
for scope in pairs(touched) do
  local scopeKey = prefix .. 'scope:' .. scope
  local fields = redis.call('HMGET', scopeKey, 'endMs', 'held', 'settled', 'calls')
  if fields[1] and tonumber(fields[1]) + KEEP_PAST_SCOPE_MS < now and (tonumber(fields[2]) or 0) == 0
    and (tonumber(fields[3]) or 0) == 0 and (tonumber(fields[4]) or 0) == 0 then
    redis.call('DEL', scopeKey)
    redis.call('SREM', KEYS[2], scope)
  end
end
return { removed, raised }
