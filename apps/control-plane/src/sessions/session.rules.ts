import { createHash, randomBytes } from 'node:crypto';

const DAY_MS = 86_400_000;
export const SESSION_IDLE_MS = 7 * DAY_MS;
export const SESSION_ABSOLUTE_MS = 30 * DAY_MS;
/** A session's last use is written down at most this often: a row update per request would buy nothing. */
export const SESSION_TOUCH_INTERVAL_MS = 5 * 60_000;
/** A sign-in that is older proves too little to change how its user signs in: the browser may have been left open. */
export const SESSION_RECENT_MS = 15 * 60_000;
const TOKEN_BYTES = 32;
/** 32 bytes in base64url. */
const TOKEN = /^[A-Za-z0-9_-]{43}$/;

export interface SessionTimes {
  lastSeenAt: Date;
  idleExpiresAt: Date;
  absoluteExpiresAt: Date;
  revokedAt: Date | null;
}

export function newSessionToken(): string {
  return randomBytes(TOKEN_BYTES).toString('base64url');
}

/** What is stored. A plain hash suffices: the token has 256 random bits, so there is nothing to guess. */
export function sessionTokenHash(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

export function isSessionToken(text: string): boolean {
  return TOKEN.test(text);
}

export function newSessionTimes(nowMs: number): SessionTimes {
  return {
    lastSeenAt: new Date(nowMs),
    idleExpiresAt: new Date(nowMs + SESSION_IDLE_MS),
    absoluteExpiresAt: new Date(nowMs + SESSION_ABSOLUTE_MS),
    revokedAt: null,
  };
}

export function isSessionLive(session: SessionTimes, nowMs: number): boolean {
  return session.revokedAt === null && nowMs < session.idleExpiresAt.getTime() && nowMs < session.absoluteExpiresAt.getTime();
}

/** The new idle expiry when the session's use should be written down, else null. Never past the absolute expiry. */
export function touchedIdleExpiry(session: SessionTimes, nowMs: number): Date | null {
  if (nowMs - session.lastSeenAt.getTime() < SESSION_TOUCH_INTERVAL_MS) return null;
  return new Date(Math.min(nowMs + SESSION_IDLE_MS, session.absoluteExpiresAt.getTime()));
}

export function isRecentSignIn(createdAt: Date, nowMs: number): boolean {
  return nowMs - createdAt.getTime() <= SESSION_RECENT_MS;
}
