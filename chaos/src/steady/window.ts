import type { CallResult } from './open-load.js';

/** Calls of one stretch of time. */
export interface Window {
  calls: number;
  served: number;
  /** Told to come back, with 503: a limit that is reached (429) is another matter, and a failure here. */
  shed: number;
  /** Of those shed. */
  withRetryAfter: number;
  failed: number;
  /** Of those served; null = none was. */
  p50Ms: number | null;
  p99Ms: number | null;
  /** From the instant at which they were sent. */
  sentP99Ms: number | null;
  /** How late the load itself was; part of every latency. */
  lateP99Ms: number | null;
}

/** From an instant to another one, monotonic. */
export interface Span {
  fromMs: number;
  toMs: number;
}

export function dueWithin(results: readonly CallResult[], { fromMs, toMs }: Span): CallResult[] {
  return results.filter(({ dueAtMs }) => dueAtMs >= fromMs && dueAtMs < toMs);
}

export function windowOf(results: readonly CallResult[]): Window {
  const served = results.filter(({ status }) => status === 200);
  const shed = results.filter(({ status }) => status === 503);
  const latencies = served.map(({ latencyMs }) => latencyMs).sort((a, b) => a - b);
  const sent = served.map(({ latencyMs, lateMs }) => latencyMs - lateMs).sort((a, b) => a - b);
  const lates = results.map(({ lateMs }) => lateMs).sort((a, b) => a - b);
  return {
    calls: results.length,
    served: served.length,
    shed: shed.length,
    withRetryAfter: shed.filter(({ hasRetryAfter }) => hasRetryAfter).length,
    failed: results.length - served.length - shed.length,
    p50Ms: rank(latencies, 0.5),
    p99Ms: rank(latencies, 0.99),
    sentP99Ms: rank(sent, 0.99),
    lateP99Ms: rank(lates, 0.99),
  };
}

/** Nearest rank, of sorted values. */
function rank(sorted: readonly number[], share: number): number | null {
  const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  return value === undefined ? null : Math.round(value * 10) / 10;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
