import { createHash } from 'node:crypto';

const MINUTE_MS = 60_000;

export interface Limit {
  max: number;
  windowMs: number;
}

/**
 * Bounds of everything that takes or hands out a credential. All are windows that begin with their first event and end by
 * themselves: nothing locks anybody out for good. An account is an address, whether or not somebody has it, so that a
 * refusal tells nothing; a network is the /24 (IPv4) or /48 (IPv6) of the client.
 */
export const LIMITS = {
  /** Of one account from one network. Nobody mistypes a password that often. */
  failuresByVisitor: { max: 20, windowMs: 10 * MINUTE_MS },
  /** Of one account from everywhere: far more, so that nobody keeps its owner out from a network or two. */
  failuresByAccount: { max: 100, windowMs: 10 * MINUTE_MS },
  /** Codes have a million values: what somebody tries day after day must not add up. Closes codes and nothing else. */
  codeFailuresByAddress: { max: 20, windowMs: 24 * 60 * MINUTE_MS },
  /** An office behind one address mistypes more, and still does not try one password on a thousand addresses. */
  failuresByNetwork: { max: 200, windowMs: 10 * MINUTE_MS },
  /** All requests to credential endpoints, whatever comes of them. */
  requestsByNetwork: { max: 300, windowMs: MINUTE_MS },
  /** Of one purpose. Nobody's mailbox is flooded, and mails of one kind do not use up those of another. */
  mailsByAccount: { max: 5, windowMs: 15 * MINUTE_MS },
  mailsByNetwork: { max: 60, windowMs: 15 * MINUTE_MS },
} as const satisfies Record<string, Limit>;
export type LimitName = keyof typeof LIMITS;

/** What a mail is for: each is counted by itself. */
export type MailPurpose = 'verify_email' | 'reset_password' | 'sign_in_code' | 'invite';

/** One limit and whom it is counted for. */
export interface Count {
  limit: LimitName;
  subject: string;
}

/** A window as it is kept. */
export interface Window {
  count: number;
  endsMs: number;
}

/** Addresses are hashed: what is counted in Redis names nobody. The braces keep all in one slot of a Redis Cluster. */
export function counterKey({ limit, subject }: Count): string {
  const digest = createHash('sha256').update(`${limit}\n${subject}`).digest('base64url');
  return `tl:{credentials}:${limit}:${digest}`;
}

/** What is left of a window, and for how long it goes on. */
export interface Standing {
  left: number;
  endsInMs: number;
}

/** How it stands with a window before one more is counted. */
export function standingOf(window: Window | undefined, limit: Limit, nowMs: number): Standing {
  if (window === undefined || nowMs >= window.endsMs) return { left: limit.max, endsInMs: limit.windowMs };
  // Never more than a whole window, whatever the clock of the replica was that began it.
  return { left: Math.max(0, limit.max - window.count), endsInMs: Math.min(window.endsMs - nowMs, limit.windowMs) };
}

export function counted(window: Window | undefined, limit: Limit, nowMs: number): Window {
  if (window === undefined || nowMs >= window.endsMs) return { count: 1, endsMs: nowMs + limit.windowMs };
  return { count: window.count + 1, endsMs: window.endsMs };
}

/** Of several counts, some of them full: the one that is for the longest, and how long that is. */
export function longestWait(
  counts: readonly Count[],
  standings: readonly Standing[],
): { limit: LimitName; waitMs: number } | null {
  const full = counts
    .map(({ limit }, index) => ({ limit, ...(standings[index] as Standing) }))
    .filter(({ left }) => left <= 0)
    .sort((a, b) => b.endsInMs - a.endsInMs);
  return full[0] === undefined ? null : { limit: full[0].limit, waitMs: full[0].endsInMs };
}

/** "requests-by-network" of requestsByNetwork: the limit as callers are told of it. */
export function policyOf(limit: LimitName): { name: string; quota: number; windowMs: number } {
  const { max, windowMs } = LIMITS[limit];
  return { name: limit.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`), quota: max, windowMs };
}
