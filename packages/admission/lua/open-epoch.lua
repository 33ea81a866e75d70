-- Declares an account's state complete, when every expected gateway has re-asserted its part.
--
-- KEYS  1 tl:{tag}:account
-- ARGV  1 run id of the Redis process, as the caller knows it   2 rebuild id   then the expected gateway ids
-- Returns { 'opened' | 'open', opened at ms } | { 'stale', 0 } | { 'waiting', 0, missing gateway id, ... }
--
-- Invariant: the epoch opens only on marks of this very rebuild. The mark of a gateway and the entries it asserted are
-- deleted together or not at all, so a flush or a restart in between leaves nothing to open. A gateway that is not
-- expected (silent for 30 s) is fenced; what it never published is the stated bound.
local account = redis.call('HMGET', KEYS[1], 'epoch', 'epochOpenedMs', 'rebuildRun', 'rebuildId')
if account[1] == ARGV[1] then return { 'open', tonumber(account[2]) } end
if account[3] ~= ARGV[1] or account[4] ~= ARGV[2] then return { 'stale', 0 } end

local waiting = { 'waiting', 0 }
for index = 3, #ARGV do
  if redis.call('HGET', KEYS[1], 'mark:' .. ARGV[index]) ~= ARGV[2] then waiting[#waiting + 1] = ARGV[index] end
end
if #waiting > 2 then return waiting end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'epochOpenedMs', now)
return { 'opened', now }
