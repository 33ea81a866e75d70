-- Takes in what metering committed: raises totals and drops the pending amounts that they now include, in one step, so
-- that no instant counts a call twice or not at all.
--
-- KEYS  1 tl:{tag}:account
-- ARGV  1 count of totals   then scope, total, version, limit ('' = it has none) for each
--       then the request ids
-- Returns { pending amounts removed, totals raised }
--
-- Invariant: total + settled never falls below what was really spent. Acknowledgements arrive in any order, so a total is
-- raised only where one is known, and only by a newer version: an old one must not become the first total after Redis was
-- lost, since it lacks what later acknowledgements took away. A pending amount goes at most once. When it goes from a scope
-- whose total is unknown or did not come along, the scope is left as "must be fetched": a version without a total. The
-- next admission then answers unknown_scope, and only a total that was asked for after this instant is believed.
local KEEP_PAST_SCOPE_MS, TOTAL_FIELDS, FIRST_TOTAL = 172800000, 4, 2

-- Raises totals that are known. Returns the scopes that have one, which include every id listed, and how many were raised.
local function raiseTotals(args, count)
  local covered, raised = {}, 0
  for at = FIRST_TOTAL, FIRST_TOTAL + (count - 1) * TOTAL_FIELDS, TOTAL_FIELDS do
    local name, total, version, limit = args[at], args[at + 1], args[at + 2], args[at + 3]
    local key = scopeNamed(name).key
    local known = call('HMGET', key, 'total', 'version')
    if known[1] then
      covered[name] = true
      if tonumber(version) > tonumber(known[2]) then
        if limit ~= '' then
          call('HSET', key, 'total', total, 'version', version, 'limit', limit)
        else
          call('HSET', key, 'total', total, 'version', version)
        end
        raised = raised + 1
      end
    end
  end
  return covered, raised
end

-- Takes the entries of the ids from `first` on away. Returns how many were there.
local function removeEntries(args, first)
  local gone, seen = { 'HDEL', account.open }, {}
  local entries = call('HMGET', account.open, unpack(args, first))
  for index = 1, #args - first + 1 do
    local entry, id = entries[index], args[first + index - 1]
    if entry and not seen[id] then
      local state, amountText, places, at = match(entry, ENTRY)
      local marks, project = marksOf(entry, at)
      local amount = numberOf(amountText)
      if state == 'h' then
        changeEntry(places, marks, project, -amount, 0, true)
      else
        changeEntry(places, marks, project, 0, -amount, false)
      end
      seen[id], gone[#gone + 1] = true, id
    end
  end
  if #gone > 2 then call(unpack(gone)) end
  return #gone - 2
end

-- Scopes that lost what no total that came along includes.
local function forgetTotals(covered)
  for at = 1, usedCount do
    local scope = usedScopes[at]
    if not covered[scope.name] and scope.added + scope.settledAdded < 0 then
      call('HSETNX', scope.key, 'version', '0')
      call('HDEL', scope.key, 'total')
      call('HSET', scope.key, 'forgottenMs', textOf(now))
    end
  end
end

-- Past scopes are dropped here, a few at a time, when nothing is pending in them: never by an expiry, which would let
-- time alone release a hold.
local function dropPastScopes(touched)
  for _, name in ipairs(call('SRANDMEMBER', account.index, 2)) do touched[name] = true end
  for at = 1, usedCount do touched[usedScopes[at].name] = true end
  for name in pairs(touched) do
    local scope = scopeNamed(name)
    -- When a scope ends follows from its name: one that admissions know needs not be asked.
    if not scope.endMs or scope.endMs + KEEP_PAST_SCOPE_MS < now then
      local fields = call('HMGET', scope.key, 'endMs', 'held', 'settled', 'calls')
      if fields[1] and tonumber(fields[1]) + KEEP_PAST_SCOPE_MS < now and (tonumber(fields[2]) or 0) == 0
        and (tonumber(fields[3]) or 0) == 0 and (tonumber(fields[4]) or 0) == 0 then
        call('DEL', scope.key)
        call('SREM', account.index, name)
      end
    end
  end
end

local function acknowledge(KEYS, ARGV)
  beginRun(KEYS[1])
  readTime()
  local totals = tonumber(ARGV[1])
  local firstId = FIRST_TOTAL + totals * TOTAL_FIELDS
  local covered, raised = raiseTotals(ARGV, totals)
  local removed = firstId <= #ARGV and removeEntries(ARGV, firstId) or 0
  writeScopes()
  forgetTotals(covered)
  dropPastScopes(covered)
  return { removed, raised }
end
