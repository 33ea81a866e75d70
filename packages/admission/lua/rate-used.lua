-- Says how many of a key's calls count against its rate limit, and when the next place gets free.
--
-- KEYS  1 tl:{tag}:rate:<keyId>
-- ARGV  1 the server's time in ms   2 the limit, '' = none
-- Returns { count, ms at which there is one place more than now, -1 where no call counts }. A limit that was lowered may have
-- more calls than places: then a place is free once enough of them have left.
--
-- Invariant: reads only.
bind()
local log = newRateLog(KEYS[1])
readRateLog(log, tonumber(ARGV[1]))
local used, limit = rateUsed(log), tonumber(ARGV[2])
if used == 0 then return { 0, -1 } end
return { used, rateLeavesAtMs(log, max(1, min(used, limit or used)), tonumber(ARGV[1])) }
