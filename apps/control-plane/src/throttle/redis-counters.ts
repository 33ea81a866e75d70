import type { Redis } from 'ioredis';
import type { Counters } from './counters.types.js';
import { type Count, counterKey, LIMITS } from './throttle.rules.js';

/**
 * KEYS   one hash {count, ends} for each window
 * ARGV   now in ms, then for each key: max, window in ms
 * Returns 0 when one was counted in each, else the longest wait in ms and nothing was counted.
 * Invariant: within a window no more than max are ever counted, however many replicas ask at once.
 * The instants are the callers', as everywhere in this service; the expiry only clears away.
 */
const ENTER = `
local now, wait = tonumber(ARGV[1]), 0
for i, key in ipairs(KEYS) do
  local max, window = tonumber(ARGV[i * 2]), tonumber(ARGV[i * 2 + 1])
  local found = redis.call('HMGET', key, 'count', 'ends')
  local count, ends = tonumber(found[1]), tonumber(found[2])
  if count and ends and now < ends and count >= max then wait = math.max(wait, math.min(ends - now, window)) end
end
if wait > 0 then return wait end
for i, key in ipairs(KEYS) do
  local window = tonumber(ARGV[i * 2 + 1])
  local ends = tonumber(redis.call('HGET', key, 'ends'))
  if ends and now < ends then
    redis.call('HINCRBY', key, 'count', 1)
  else
    redis.call('HSET', key, 'count', 1, 'ends', now + window)
    redis.call('PEXPIRE', key, window)
  end
end
return 0`;

/** KEYS windows. Takes one from each that is above 0; makes none that is gone. */
const GIVE_BACK = `
for _, key in ipairs(KEYS) do
  if (tonumber(redis.call('HGET', key, 'count')) or 0) > 0 then redis.call('HINCRBY', key, 'count', -1) end
end
return 0`;

/** Shared by all replicas. */
export class RedisCounters implements Counters {
  constructor(private readonly redis: Redis) {}

  async enter(counts: readonly Count[], nowMs: number): Promise<number> {
    const keys = counts.map(counterKey);
    const limits = counts.flatMap(({ limit }) => [LIMITS[limit].max, LIMITS[limit].windowMs]);
    return Number(await this.redis.eval(ENTER, keys.length, ...keys, nowMs, ...limits));
  }

  async giveBack(counts: readonly Count[]): Promise<void> {
    await this.redis.eval(GIVE_BACK, counts.length, ...counts.map(counterKey));
  }

  async clear(counts: readonly Count[]): Promise<void> {
    await this.redis.del(...counts.map(counterKey));
  }
}
