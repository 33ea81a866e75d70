-- What an entry of the open hash says, and how numbers are written: the beginning of every script that reads entries or counts calls.
--
-- state|amount|window scope|day scope|gateway id|admitted at ms|hold, and |marks where the call counts in more: b the
-- account's balance, c its key's calls in flight, t<n> its key's tokens; and last |project scope where its key is in a project.
-- An entry without them counts in no more than two.

-- redis.call, and names that are looked up once. Set by a run: while a library is being loaded there are none.
local call, format, floor, max, min, tonumber, find, match, sub
local function bind()
  call, format, find, match, sub = redis.call, string.format, string.find, string.match, string.sub
  floor, max, min, tonumber = math.floor, math.max, math.min, _G.tonumber
end

-- State, amount, 'window scope|day scope' and the position behind the hold.
local ENTRY = '^(%a)|(%d+)|([^|]+|[^|]+)|[^|]+|%d+|%d+()'

-- Marks and project scope, each nil where there is none, of an entry whose hold ends before `at`.
local function marksOf(entry, at)
  if at > #entry then return nil end
  local project = find(entry, '|project:', at, true)
  if not project then return match(entry, '^|(%a%w*)$', at) end
  return match(sub(entry, at, project - 1), '^|(%a%w*)$'), sub(entry, project + 1)
end

-- %d, because Lua's own number to text keeps 14 digits only; all numbers here are whole, and %.0f takes three times as long.
local function textOf(amount) return format('%d', amount) end
