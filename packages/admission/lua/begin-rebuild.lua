-- Begins, or joins, the rebuild of an account's state in this Redis process.
--
-- KEYS  1 tl:{tag}:account   2 tl:{tag}:open   3 tl:{tag}:scopes   4 tl:{tag}:keys
-- ARGV  1 prefix "tl:{tag}:"   2 run id of the Redis process, as the caller knows it   3 a fresh rebuild id
-- Returns { 'open', '' } when the epoch is this process already, else { 'begun' | 'joined', rebuild id to use }.
--
-- Invariant: what another process's epoch left (an old snapshot restored) is deleted before anyone writes for the new one,
-- exactly once per process: the deletion and the note of the rebuild are one step, and whoever comes later joins that
-- rebuild. Nothing is lost by joining a driver that died: every driver asks all gateways and may open the epoch. The keys'
-- projections go too, since a restored one may say that a revoked key is valid. A flush during a rebuild removes the note,
-- and with it every mark: the next caller begins anew under another id, and marks for the old id no longer count.
local account = redis.call('HMGET', KEYS[1], 'epoch', 'rebuildRun', 'rebuildId')
if account[1] == ARGV[2] then return { 'open', '' } end
if account[2] == ARGV[2] then return { 'joined', account[3] } end

for _, scope in ipairs(redis.call('SMEMBERS', KEYS[3])) do redis.call('UNLINK', ARGV[1] .. 'scope:' .. scope) end
for _, key in ipairs(redis.call('SMEMBERS', KEYS[4])) do redis.call('UNLINK', key) end
redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
redis.call('HSET', KEYS[1], 'rebuildRun', ARGV[2], 'rebuildId', ARGV[3])
return { 'begun', ARGV[3] }
