-- Says how many of a key's calls count against its rate limit, and when the next place gets free.
--
-- KEYS  1 tl:{tag}:rate:<keyId>   2 tl:{tag}:rpmlost:<keyId>   3 tl:{tag}:account
-- ARGV  1 the server's time in ms   2 the limit, '' = none
-- Returns { count, ms at which there is one place more than now, -1 where no call counts }. A limit that was lowered may have
-- more calls than places: then a place is free once enough of them have left.
--
-- Invariant: reads only.
bind()
local now = tonumber(ARGV[1])
local log, lost, lostEndMs = newRateLog(KEYS[1]), 0, now
readRateLog(log, now)
-- What gateways reported of the minute before Redis was lost counts as in admit.lua.
if now - (tonumber(call('HGET', KEYS[3], 'epochOpenedMs')) or 0) < RATE_MS then
  for _, count in ipairs(call('HVALS', KEYS[2])) do lost = lost + tonumber(count) end
  lostEndMs = now + max(0, call('PTTL', KEYS[2]))
end
local used = rateUsed(log)
local total = used + lost
if total == 0 then return { 0, -1 } end

-- When fewer than `places` calls of the log count.
local function leavesMs(places) return used >= places and rateLeavesAtMs(log, places, now) or now end
local places = max(1, min(total, tonumber(ARGV[2]) or total))
if lost >= places then return { total, max(lostEndMs, leavesMs(places)) } end
return { total, min(leavesMs(places - lost), max(lostEndMs, leavesMs(places))) }
