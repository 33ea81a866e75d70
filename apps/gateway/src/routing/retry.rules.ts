import type { UpstreamFailure } from '../upstreams/upstream.types.js';

/** Deployments that one call is sent to. Each is asked once: repeating is the client's, who knows whether it still wants to. */
export const ATTEMPTS_MAX = 3;
/** Later than this after its admission a call is not sent anywhere any more. */
export const ATTEMPTS_MS_MAX = 120_000;
/** A deployment that asks to be left alone is, for this long at most, whatever it asked for. */
export const COOLDOWN_MS_MAX = 60_000;

const MS_PER_SECOND = 1_000;

type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** 529 is Anthropic's "overloaded". 401 is about our credential: another deployment has another. */
const FOR_ANOTHER = new Set([401, 429, 500, 502, 503, 504, 529]);
/** The deployment is not well. 429 is not among them: it is well and busy. */
const ILL = new Set([500, 502, 503, 504, 529]);
const BEFORE_THE_HEAD = new Set<UpstreamFailure>([
  'connect_refused',
  'connect_timeout',
  'head_timeout',
  'protocol',
  'cut',
  'idle_timeout',
]);

/** Whether an answer with this status is worth asking another deployment. */
export function isWorthAnother(status: number): boolean {
  return FOR_ANOTHER.has(status);
}

/** The same for a failure before any head. What the gateway gave up itself is not. */
export function isWorthAnotherAfter(failure: UpstreamFailure): boolean {
  return BEFORE_THE_HEAD.has(failure);
}

/** Whether an answer with this status speaks against the deployment's health. */
export function isIll(status: number): boolean {
  return ILL.has(status);
}

/**
 * For how long the deployment asked to be left alone: 0 = it did not. `retry-after` is seconds or a date (RFC 9110 §10.2.3),
 * and a date counts from the answer's own `date`: the provider's clock is not ours.
 */
export function cooldownMs(status: number, headers: Headers): number {
  if (status !== 429 && status !== 503) return 0;
  const exact = numberOf(headers['retry-after-ms']);
  if (exact !== null) return bounded(exact);
  const after = headers['retry-after'];
  const seconds = numberOf(after);
  if (seconds !== null) return bounded(seconds * MS_PER_SECOND);
  const waitMs = dateOf(after) - dateOf(headers.date);
  return Number.isNaN(waitMs) ? 0 : bounded(waitMs);
}

function dateOf(header: string | string[] | undefined): number {
  return typeof header === 'string' ? Date.parse(header) : Number.NaN;
}

function numberOf(header: string | string[] | undefined): number | null {
  return typeof header === 'string' && /^\d+(\.\d+)?$/.test(header.trim()) ? Number(header) : null;
}

function bounded(ms: number): number {
  return Math.min(Math.max(ms, 0), COOLDOWN_MS_MAX);
}
