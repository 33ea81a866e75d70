import type { LoadResult } from './bench.types.js';

/** What a load generator counted. */
export interface LoadCounts {
  answers: number;
  /** Answers of status 400 and above. */
  refused: number;
  /** Answers that came after CALL_TIMEOUT_SECONDS. */
  late: number;
  /** Calls without an answer. */
  broken: number;
  seconds: number;
  p50Ms: number;
  p99Ms: number;
}

/** A refusal costs little, so a throughput that counted it would grow with every call that is not served. */
export function loadResultOf(counts: LoadCounts): LoadResult {
  const { answers, refused, late, broken, seconds, p50Ms, p99Ms } = counts;
  // An answer may be both late and a refusal.
  const calls = Math.max(0, answers - refused - late);
  return { calls, callsPerSecond: calls / seconds, p50Ms, p99Ms, failures: refused + late + broken };
}
