-- What an entry of the open hash says: the beginning of every script that reads them.
--
-- state|amount|window scope|day scope|gateway id|admitted at ms|hold, and |marks where the call counts in more: b the
-- account's balance, c its key's calls in flight, t<n> its key's tokens; and last |project scope where its key is in a project.
-- An entry without them counts in no more than two.

-- Returns state, amount, window, day and the rest of the text from the gateway id on.
local function readEntry(entry)
  local state, amount, window, day, tail = string.match(entry, '^(%a)|(%d+)|([^|]+)|([^|]+)|(.+)$')
  return state, tonumber(amount), window, day, tail
end

-- Returns the marks, or nil, and the project's scope, or nil.
local function marksOf(tail)
  local at = string.find(tail, '|project:', 1, true)
  if not at then return string.match(tail, '|(%a%w*)$') end
  return string.match(string.sub(tail, 1, at - 1), '|(%a%w*)$'), string.sub(tail, at + 1)
end

-- What calls add to scopes, or take from them, gathered so that each scope is read and written once for all of them.
local changes, changedScopes = {}, {}
local function changeScope(scope, field, amount)
  local change = changes[scope]
  if not change then
    change = { held = 0, settled = 0, calls = 0 }
    changes[scope] = change
    changedScopes[#changedScopes + 1] = scope
  end
  change[field] = change[field] + amount
end

-- An amount in every scope that the entry counts in.
local function changeScopes(field, amount, window, day, marks, project)
  changeScope(window, field, amount)
  changeScope(day, field, amount)
  if project then changeScope(project, field, amount) end
  if marks and string.find(marks, 'b', 1, true) then changeScope('balance', field, amount) end
end

-- The call is in flight no more.
local function endFlight(window, marks)
  if marks and string.find(marks, 'c', 1, true) then changeScope(window, 'calls', -1) end
end

-- %d, because Lua's own number to text keeps 14 digits only; all numbers here are whole, and %.0f takes three times as long.
local function textOf(amount) return string.format('%d', amount) end

local function writeChange(key, change)
  if change.held == 0 and change.settled == 0 and change.calls == 0 then return end
  local known = redis.call('HMGET', key, 'held', 'settled', 'calls')
  local write = { 'HSET', key, 'held', textOf((tonumber(known[1]) or 0) + change.held) }
  if change.settled ~= 0 then
    write[5], write[6] = 'settled', textOf((tonumber(known[2]) or 0) + change.settled)
  end
  if change.calls ~= 0 then
    write[#write + 1] = 'calls'
    write[#write + 1] = textOf((tonumber(known[3]) or 0) + change.calls)
  end
  redis.call(unpack(write))
end

local function writeChanges(prefix)
  for _, scope in ipairs(changedScopes) do writeChange(prefix .. 'scope:' .. scope, changes[scope]) end
end
