import { describe, expect, it } from '@jest/globals';
import * as rules from './session.rules.js';

const NOW_MS = Date.parse('2026-11-21T00:00:00Z');
const DAY_MS = 86_400_000;

describe('session', () => {
  it('ends 7 days after its last use', () => {
    const session = rules.newSessionTimes(NOW_MS);
    expect(rules.isSessionLive(session, NOW_MS + 7 * DAY_MS - 1)).toBe(true);
    expect(rules.isSessionLive(session, NOW_MS + 7 * DAY_MS)).toBe(false);
  });

  it('ends 30 days after sign-in however much it is used', () => {
    const session = rules.newSessionTimes(NOW_MS);
    for (let day = 1; day < 30; day++) {
      const nowMs = NOW_MS + day * DAY_MS;
      expect(rules.isSessionLive(session, nowMs)).toBe(true);
      session.idleExpiresAt = rules.touchedIdleExpiry(session, nowMs) as Date;
      session.lastSeenAt = new Date(nowMs);
    }
    expect(rules.isSessionLive(session, NOW_MS + 30 * DAY_MS - 1)).toBe(true);
    expect(rules.isSessionLive(session, NOW_MS + 30 * DAY_MS)).toBe(false);
  });

  it('is over once revoked', () => {
    expect(rules.isSessionLive({ ...rules.newSessionTimes(NOW_MS), revokedAt: new Date(NOW_MS) }, NOW_MS)).toBe(false);
  });

  it('is not written down again within five minutes', () => {
    const session = rules.newSessionTimes(NOW_MS);
    expect(rules.touchedIdleExpiry(session, NOW_MS + rules.SESSION_TOUCH_INTERVAL_MS - 1)).toBeNull();
    expect(rules.touchedIdleExpiry(session, NOW_MS + rules.SESSION_TOUCH_INTERVAL_MS)).not.toBeNull();
  });

  it('has a token of 256 bits that is not what is stored', () => {
    const token = rules.newSessionToken();
    expect(rules.isSessionToken(token)).toBe(true);
    expect(Buffer.from(token, 'base64url')).toHaveLength(32);
    expect(rules.sessionTokenHash(token)).toMatch(/^[0-9a-f]{64}$/);
    expect(rules.newSessionToken()).not.toBe(token);
  });
});
