import type { RedisOptions } from 'ioredis';

/** A client's call waits no longer than this for Redis; afterwards it is answered 503. */
export const CALL_TIMEOUT_MS = 80;
/** Longest wait for what no client waits for: settling, acknowledging, rebuilding. All of it is repeated until it succeeds. */
export const BACKGROUND_TIMEOUT_MS = 2_000;
/** Longest pause between two attempts to reconnect: Redis coming back is noticed within it. */
const RECONNECT_PAUSE_MS_MAX = 500;
const RECONNECT_PAUSE_STEP_MS = 50;

/**
 * Connection options of the admission path. A command either reaches Redis now or fails now: a queued or resent admission
 * would run after its call was refused, against a Redis process that may not be the one it was meant for. Zero retries
 * also make commands in flight fail when the connection closes, instead of waiting for their timeout. The short timeout of
 * a call is not ioredis' to keep, because its timers mistake our own busy moments for a silent Redis (see deadline.ts).
 */
export const hotPathRedisOptions: Readonly<RedisOptions> = Object.freeze({
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  commandTimeout: BACKGROUND_TIMEOUT_MS,
  enableReadyCheck: true,
  noDelay: true,
  retryStrategy: (attempts: number) => Math.min(attempts * RECONNECT_PAUSE_STEP_MS, RECONNECT_PAUSE_MS_MAX),
});
