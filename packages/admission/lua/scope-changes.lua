-- What calls add to scopes, or take from them, gathered so that each scope is written once for all of them: the beginning of
-- every script that ends calls. It comes after entry.lua.
local changes, changedScopes = {}, {}
local function changeScope(scope, held, settled)
  local change = changes[scope]
  if change then
    change.held, change.settled = change.held + held, change.settled + settled
  else
    changes[scope] = { held = held, settled = settled, calls = 0 }
    changedScopes[#changedScopes + 1] = scope
  end
end

-- Amounts in every scope that the entry counts in.
local function changeScopes(held, settled, window, day, marks, project)
  changeScope(window, held, settled)
  changeScope(day, held, settled)
  if project then changeScope(project, held, settled) end
  if marks and string.find(marks, 'b', 1, true) then changeScope('balance', held, settled) end
end

-- The call is in flight no more. After changeScopes.
local function endFlight(window, marks)
  if marks and string.find(marks, 'c', 1, true) then changes[window].calls = changes[window].calls - 1 end
end

-- By HINCRBY with the amount as text: Redis writes a number with 17 digits first, at three times the price.
local function writeChanges(prefix)
  for at = 1, #changedScopes do
    local scope = changedScopes[at]
    local key, change = prefix .. 'scope:' .. scope, changes[scope]
    if change.held ~= 0 then redis.call('HINCRBY', key, 'held', textOf(change.held)) end
    if change.settled ~= 0 then redis.call('HINCRBY', key, 'settled', textOf(change.settled)) end
    if change.calls ~= 0 then redis.call('HINCRBY', key, 'calls', textOf(change.calls)) end
  end
end
