/**
 * What may be asked how often, as callers are told it (draft-ietf-httpapi-ratelimit-headers-11: fields RateLimit-Policy and
 * RateLimit, both lists of structured fields).
 */
export interface RateLimitPolicy {
  /** Letters, digits and dashes. */
  name: string;
  /** Requests. */
  quota: number;
  /** Absent: so many at once, for however long each takes. */
  windowMs?: number;
}

/** How it stands with a policy for whoever asks. */
export interface RateLimitStanding {
  left: number;
  /** Until more is left. */
  endsInMs: number;
}

/** Names of the headers, as the API's description has them. */
export const RATE_LIMIT_HEADERS = ['RateLimit', 'RateLimit-Policy'] as const;

const MS_PER_SECOND = 1_000;
const CONCURRENT_UNIT = 'concurrent-requests';

/** Headers of any answer. Whole seconds, rounded up: whoever waits so long does not come too early. */
export function rateLimitHeaders(
  { name, quota, windowMs }: RateLimitPolicy,
  { left, endsInMs }: RateLimitStanding,
): Record<string, string> {
  const bound = windowMs === undefined ? `;qu="${CONCURRENT_UNIT}"` : `;w=${toSeconds(windowMs)}`;
  return {
    'ratelimit-policy': `"${name}";q=${quota}${bound}`,
    ratelimit: `"${name}";r=${Math.max(0, left)};t=${toSeconds(endsInMs)}`,
  };
}

/** Headers of a 429: nothing is left, and when to come again. */
export function exhaustedHeaders(policy: RateLimitPolicy, waitMs: number): Record<string, string> {
  const seconds = Math.max(1, toSeconds(waitMs));
  return {
    ...rateLimitHeaders(policy, { left: 0, endsInMs: seconds * MS_PER_SECOND }),
    'retry-after': String(seconds),
  };
}

function toSeconds(milliseconds: number): number {
  return Math.max(0, Math.ceil(milliseconds / MS_PER_SECOND));
}
