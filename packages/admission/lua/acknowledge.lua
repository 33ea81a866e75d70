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
      if limit ~= '' then
        redis.call('HSET', scopeKey, 'total', total, 'version', version, 'limit', limit)
      else
        redis.call('HSET', scopeKey, 'total', total, 'version', version)
      end
      raised = raised + 1
    end
  end
end

local firstId = 3 + totalCount * TOTAL_FIELDS
local gone = { 'HDEL', KEYS[1] }
if firstId <= #ARGV then
  local seen = {}
  for index, entry in ipairs(redis.call('HMGET', KEYS[1], unpack(ARGV, firstId))) do
    local id = ARGV[firstId + index - 1]
    if entry and not seen[id] then
      local state, amount, window, day, tail = readEntry(entry)
      local marks, project = marksOf(tail)
      local isHeld = state == 'h'
      changeScopes(isHeld and -amount or 0, isHeld and 0 or -amount, window, day, marks, project)
      if isHeld then endFlight(window, marks) end
      seen[id] = true
      gone[#gone + 1] = id
    end
  end
end
if #gone > 2 then redis.call(unpack(gone)) end
writeChanges(prefix)
for _, scope in ipairs(changedScopes) do
  touched[scope] = true
  if not covered[scope] and changes[scope].held + changes[scope].settled < 0 then
    local scopeKey = prefix .. 'scope:' .. scope
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
return { #gone - 2, raised }
