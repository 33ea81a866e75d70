-- What an entry of the open hash says, and how numbers are written: the beginning of every script that reads entries or counts calls.
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

-- %d, because Lua's own number to text keeps 14 digits only; all numbers here are whole, and %.0f takes three times as long.
local function textOf(amount) return string.format('%d', amount) end
