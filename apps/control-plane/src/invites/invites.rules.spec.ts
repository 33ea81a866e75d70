import { describe, expect, it } from '@jest/globals';
import { INVITES_OPEN_MAX, INVITES_PER_DAY_MAX, MEMBERS_PER_ACCOUNT_MAX } from '@tensorloop/contracts/api/members';
import {
  type Acceptance,
  dailyWaitMs,
  inviteExpiry,
  inviteLink,
  inviteStatus,
  newInviteToken,
  refuseAcceptance,
  refuseInvite,
  resendWaitMs,
} from './invites.rules.js';

const DAY_MS = 86_400_000;
const NOW_MS = Date.UTC(2026, 10, 21);
const LIMITS = { membershipsMax: 50, nowMs: NOW_MS };

describe('inviting somebody', () => {
  const account = {
    isActive: true,
    isMember: false,
    hasOpenInvite: false,
    openInvites: 0,
    invitesOfLastDay: { count: 0, oldestMs: null },
  };
  const roles = { own: 'admin', wanted: 'developer' } as const;

  it.each([
    [{}, roles, null],
    [{ isActive: false }, roles, 'account_not_active'],
    [{}, { own: 'admin', wanted: 'owner' } as const, 'role_above_own'],
    [{ isMember: true }, roles, 'already_member'],
    [{ hasOpenInvite: true }, roles, 'invite_open_already'],
    [{ openInvites: INVITES_OPEN_MAX }, roles, 'invite_limit_reached'],
    [{ invitesOfLastDay: { count: INVITES_PER_DAY_MAX, oldestMs: NOW_MS } }, roles, 'invite_daily_limit_reached'],
  ])('%j as %j is answered with %s', (changes, wanted, code) => {
    expect(refuseInvite({ ...account, ...changes }, wanted)).toBe(code);
  });
});

describe('the invitations of a day', () => {
  it('are bounded until the oldest of them is a day old', () => {
    expect(dailyWaitMs({ invitesOfLastDay: { count: INVITES_PER_DAY_MAX, oldestMs: NOW_MS - DAY_MS + 1_500 } }, NOW_MS)).toBe(
      1_500,
    );
    expect(dailyWaitMs({ invitesOfLastDay: { count: INVITES_PER_DAY_MAX, oldestMs: NOW_MS - DAY_MS } }, NOW_MS)).toBe(0);
  });
});

describe('accepting an invitation', () => {
  const acceptance: Acceptance = {
    invite: {
      id: 'i',
      accountId: 'a',
      email: 'a@example.com',
      role: 'developer',
      invitedBy: 'u',
      createdAt: new Date(NOW_MS),
      expiresAt: new Date(NOW_MS + 1),
      acceptedAt: null,
      revokedAt: null,
    },
    isAccountActive: true,
    inviterRole: 'admin',
    user: { email: 'a@example.com', isVerified: true },
    isVerificationPossible: true,
    isMember: false,
    members: 1,
    memberships: 1,
  };

  it.each<[Partial<Acceptance>, string | null]>([
    [{}, null],
    [{ invite: { ...acceptance.invite, expiresAt: new Date(NOW_MS) } }, 'invite_invalid'],
    [{ invite: { ...acceptance.invite, revokedAt: new Date() } }, 'invite_invalid'],
    [{ invite: { ...acceptance.invite, acceptedAt: new Date() } }, 'invite_invalid'],
    [{ inviterRole: null }, 'invite_invalid'],
    [{ inviterRole: 'viewer' }, 'invite_invalid'],
    [{ user: { email: 'b@example.com', isVerified: true } }, 'invite_for_other_address'],
    [{ user: { email: 'a@example.com', isVerified: false } }, 'email_unverified'],
    [{ user: { email: 'a@example.com', isVerified: false }, isVerificationPossible: false }, null],
    [{ isAccountActive: false }, 'account_not_active'],
    [{ isMember: true }, 'already_member'],
    [{ members: MEMBERS_PER_ACCOUNT_MAX }, 'members_limit_reached'],
    [{ memberships: LIMITS.membershipsMax }, 'memberships_limit_reached'],
  ])('with %j is answered with %s', (changes, code) => {
    expect(refuseAcceptance({ ...acceptance, ...changes }, LIMITS)).toBe(code);
  });
});

describe('an invitation', () => {
  it('is open for seven days', () => {
    const invite = { acceptedAt: null, revokedAt: null, expiresAt: inviteExpiry(NOW_MS) };
    expect(inviteStatus(invite, NOW_MS + 7 * 86_400_000 - 1)).toBe('open');
    expect(inviteStatus(invite, NOW_MS + 7 * 86_400_000)).toBe('expired');
  });

  it('may be sent again a minute after it was sent', () => {
    const invite = { expiresAt: inviteExpiry(NOW_MS) };
    expect(resendWaitMs(invite, NOW_MS + 1_000)).toBe(59_000);
    expect(resendWaitMs(invite, NOW_MS + 60_000)).toBe(0);
  });

  it('has a link whose token reaches no server', () => {
    const token = newInviteToken();
    expect(new URL(inviteLink('https://dash.example', token)).hash).toBe(`#token=${token}`);
  });
});
