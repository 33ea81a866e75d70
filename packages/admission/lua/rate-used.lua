-- Says how many of a key's calls count against its rate limit.
--
-- KEYS  1 tl:{tag}:rate:<keyId>
-- ARGV  1 the server's time in ms
-- Returns the count.
--
-- Invariant: reads only.
bind()
local log = newRateLog(KEYS[1])
readRateLog(log, tonumber(ARGV[1]))
return rateUsed(log)
