-- One gateway writes its unacknowledged amounts of an account again and, with the last chunk, marks that it has.
--
-- KEYS  1 tl:{tag}:account   2 tl:{tag}:open   3 tl:{tag}:scopes
-- ARGV  1 prefix "tl:{tag}:"   2 run id of the Redis process, as the caller knows it   3 rebuild id   4 gateway id
--       5 '1' with the last chunk   6 count of entries   then for each: request id, state (h or s), amount, window scope,
--       day scope, admitted at ms, hold, window end ms, day end ms, marks as in entry.lua, project scope ('' = none) and its
--       end ms   then for each key, and for the account under the id 'account': its id, calls admitted in the last 60 s,
--       tokens counted for them
-- Returns the count of entries added, or -1 when the rebuild is not the one in progress (the caller asks again).
--
-- Invariant: an entry is added only where absent, so repeating is harmless. Marks live in the account's hash, so whatever
-- deletes the state that was asserted deletes the marks as well. It also runs in an open epoch: a gateway that comes
-- back adds what its journal still owes. The caller first waits for its admissions in flight (bounded by the command
-- timeout), or one whose reply is on its way would be missing from what it asserts.
local RPM_MS, ENTRY_FIELDS, RECENT_FIELDS = 60000, 12, 3

local account = redis.call('HMGET', KEYS[1], 'epoch', 'rebuildRun', 'rebuildId')
local isOpen = account[1] == ARGV[2]
if not isOpen and not (account[2] == ARGV[2] and account[3] == ARGV[3]) then return -1 end

local prefix, gatewayId, first = ARGV[1], ARGV[4], 7
local last = first + tonumber(ARGV[6]) * ENTRY_FIELDS
local added = 0
for at = first, last - 1, ENTRY_FIELDS do
  local id, state, amount, marks, project = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 9], ARGV[at + 10]
  local value = table.concat({ state, amount, ARGV[at + 3], ARGV[at + 4], gatewayId, ARGV[at + 5], ARGV[at + 6] }, '|')
  if marks ~= '' then value = value .. '|' .. marks end
  if project ~= '' then value = value .. '|' .. project end
  if redis.call('HSETNX', KEYS[2], id, value) == 1 then
    added = added + 1
    for scope = 0, 1 do
      local name = ARGV[at + 3 + scope]
      redis.call('HINCRBY', prefix .. 'scope:' .. name, state == 'h' and 'held' or 'settled', amount)
      redis.call('HSET', prefix .. 'scope:' .. name, 'endMs', ARGV[at + 7 + scope])
      redis.call('SADD', KEYS[3], name)
    end
    if project ~= '' then
      redis.call('HINCRBY', prefix .. 'scope:' .. project, state == 'h' and 'held' or 'settled', amount)
      redis.call('HSET', prefix .. 'scope:' .. project, 'endMs', ARGV[at + 11])
      redis.call('SADD', KEYS[3], project)
    end
    if string.find(marks, 'b', 1, true) then
      redis.call('HINCRBY', prefix .. 'scope:balance', state == 'h' and 'held' or 'settled', amount)
      redis.call('SADD', KEYS[3], 'balance')
    end
    if state == 'h' and string.find(marks, 'c', 1, true) then
      redis.call('HINCRBY', prefix .. 'scope:' .. ARGV[at + 3], 'calls', 1)
    end
  end
end
if isOpen then return added end

for at = last, #ARGV, RECENT_FIELDS do
  for kind = 0, 1 do
    local lostKey, count = prefix .. (kind == 0 and 'rpmlost:' or 'tpmlost:') .. ARGV[at], ARGV[at + 1 + kind]
    if count ~= '0' then
      redis.call('HSET', lostKey, gatewayId, count)
      redis.call('PEXPIRE', lostKey, RPM_MS)
    end
  end
end
if ARGV[5] == '1' then redis.call('HSET', KEYS[1], 'mark:' .. gatewayId, ARGV[3]) end
return added
