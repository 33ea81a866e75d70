import type { Redis } from 'ioredis';
import type { Counters, Entry } from './counters.types.js';
import { type Count, counterKey, LIMITS } from './throttle.rules.js';

/**
 * KEYS   one hash {count, ends} for each window
 * ARGV   now in ms, then for each key: max, window in ms
 * Returns 1 when a window was full and nothing was counted, else 0 and one was counted in each; then for each key what is
 *   left of its window and for how many ms the window goes on.
 * Invariant: within a window no more than max are ever counted, however many replicas ask at once.
 * The instants are the callers', as everywhere in this service; the expiry only clears away.
 */
const ENTER = `
local now, refused, standings = tonumber(ARGV[1]), 0, {}
for i, key in ipairs(KEYS) do
  local max, window = tonumber(ARGV[i * 2]), tonumber(ARGV[i * 2 + 1])
  local found = redis.call('HMGET', key, 'count', 'ends')
  local count, ends = tonumber(found[1]), tonumber(found[2])
  local left, lasts = max, window
  if count and ends and now < ends then left, lasts = math.max(0, max - count), math.min(ends - now, window) end
  if left == 0 then refused = 1 end
  standings[i * 2 - 1], standings[i * 2] = left, lasts
end
if refused == 0 then
  for i, key in ipairs(KEYS) do
    local window = tonumber(ARGV[i * 2 + 1])
    local ends = tonumber(redis.call('HGET', key, 'ends'))
    if ends and now < ends then
      redis.call('HINCRBY', key, 'count', 1)
    else
      redis.call('HSET', key, 'count', 1, 'ends', now + window)
      redis.call('PEXPIRE', key, window)
    end
    standings[i * 2 - 1] = standings[i * 2 - 1] - 1
  end
end
table.insert(standings, 1, refused)
return standings`;

/** KEYS windows. Takes one from each that is above 0; makes none that is gone. */
const GIVE_BACK = `
for _, key in ipairs(KEYS) do
  if (tonumber(redis.call('HGET', key, 'count')) or 0) > 0 then redis.call('HINCRBY', key, 'count', -1) end
end
return 0`;

/** Shared by all replicas. */
export class RedisCounters implements Counters {
  constructor(private readonly redis: Redis) {}

  async enter(counts: readonly Count[], nowMs: number): Promise<Entry> {
    const keys = counts.map(counterKey);
    const limits = counts.flatMap(({ limit }) => [LIMITS[limit].max, LIMITS[limit].windowMs]);
    const answer = (await this.redis.eval(ENTER, keys.length, ...keys, nowMs, ...limits)) as number[];
    const [refused, ...standings] = answer.map(Number);
    return {
      isRefused: refused === 1,
      standings: counts.map((_, index) => ({ left: standings[index * 2] ?? 0, endsInMs: standings[index * 2 + 1] ?? 0 })),
    };
  }

  async giveBack(counts: readonly Count[]): Promise<void> {
    await this.redis.eval(GIVE_BACK, counts.length, ...counts.map(counterKey));
  }

  async clear(counts: readonly Count[]): Promise<void> {
    await this.redis.del(...counts.map(counterKey));
  }
}
