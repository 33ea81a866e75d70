/**
 * Latencies counted in buckets that grow by the fourth root of 2, from 8 ms to 6 minutes: counts of any hours and models can be
 * added up, and a percentile read from the sum is within 9.1 % of the true one (within that range; below and above it the first
 * and the last bound are answered).
 */
const BOUNDS_PER_OCTAVE = 4;
const FIRST_OCTAVE = 3;
const BOUNDS = 63;
const DECIMALS = 1_000;

/** Bucket i holds latencies from bound i − 1 (included) up to bound i (excluded). Rounded: the same numbers in JavaScript and SQL. */
export const LATENCY_BOUNDS_MS: readonly number[] = Array.from(
  { length: BOUNDS },
  (_, at) => Math.round(2 ** (FIRST_OCTAVE + at / BOUNDS_PER_OCTAVE) * DECIMALS) / DECIMALS,
);
export const LATENCY_BUCKETS = BOUNDS + 1;

/** Which bucket counts a latency: PostgreSQL's `width_bucket(ms, bounds)`. */
export function latencyBucket(ms: number): number {
  let [low, high] = [0, BOUNDS];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ms < (LATENCY_BOUNDS_MS[middle] as number)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The latency below which `share` (0 to 1) of the counted calls are; null when none was counted. */
export function latencyPercentile(counts: readonly number[], share: number): number | null {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return null;
  // Nearest rank: the smallest latency that at least this share of the calls did not exceed.
  const rank = Math.max(1, Math.ceil(share * total));
  let seen = 0;
  const bucket = counts.findIndex((count) => {
    seen += count;
    return seen >= rank;
  });
  return bucketMs(bucket);
}

/** The geometric middle of a bucket: as far from either end. */
function bucketMs(bucket: number): number {
  const low = LATENCY_BOUNDS_MS[bucket - 1];
  const high = LATENCY_BOUNDS_MS[bucket];
  if (low === undefined) return high as number;
  return high === undefined ? low : Math.round(Math.sqrt(low * high) * DECIMALS) / DECIMALS;
}
