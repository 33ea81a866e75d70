import { describe, expect, it } from '@jest/globals';
import { decideArrival, errorPath, refuseUnlinking } from './google.rules.js';

const profile = { subject: '1', email: 'a@example.com', isEmailVerified: true };
const user = { id: 'u1', email: 'a@example.com', passwordHash: 'x', isVerified: true, isDisabled: false };
const nobody = { known: null, local: null, link: null };

describe('an arrival from Google (TL-1)', () => {
  it('is whoever linked that Google account, whatever address it has now', () => {
    const arrival = { ...nobody, profile: { ...profile, email: 'other@example.com', isEmailVerified: false }, known: user };
    expect(decideArrival(arrival)).toEqual({ kind: 'sign_in', user });
  });

  it.each([false])('with an address that Google has not verified is nobody, whoever has it here', (isEmailVerified) => {
    for (const local of [null, user]) {
      expect(decideArrival({ ...nobody, profile: { ...profile, isEmailVerified }, local })).toEqual({
        kind: 'refuse',
        code: 'google_email_unverified',
      });
    }
  });

  it('with a verified address takes or begins the account that has it', () => {
    expect(decideArrival({ ...nobody, profile })).toEqual({ kind: 'sign_up', email: profile.email });
    expect(decideArrival({ ...nobody, profile, local: user })).toEqual({ kind: 'claim', user });
  });

  it('is refused where an operator closed the account', () => {
    const closed = { ...user, isDisabled: true };
    for (const arrival of [{ known: closed }, { local: closed }]) {
      expect(decideArrival({ ...nobody, profile, ...arrival })).toEqual({ kind: 'refuse', code: 'google_refused' });
    }
  });

  it('is linked only to whoever is still signed in, and takes it from nobody else', () => {
    const link = { user };
    expect(decideArrival({ ...nobody, profile, link })).toEqual({ kind: 'link', user, provesAddress: false });
    expect(decideArrival({ ...nobody, profile, known: user, link })).toEqual({ kind: 'linked_already' });
    expect(decideArrival({ ...nobody, profile, known: { ...user, id: 'u2' }, link })).toMatchObject({
      code: 'google_linked_elsewhere',
    });
    expect(decideArrival({ ...nobody, profile, link: { user: null } })).toMatchObject({
      code: 'google_session_over',
    });
  });

  it('is linked by somebody whose address is not proven only where it proves it (pre-hijacking)', () => {
    const unproven = { ...user, isVerified: false };
    const link = { user: unproven };
    expect(decideArrival({ ...nobody, profile, link })).toEqual({ kind: 'link', user: unproven, provesAddress: true });
    const other = { ...profile, email: 'other@example.com' };
    expect(decideArrival({ ...nobody, profile: other, link })).toMatchObject({ code: 'google_confirm_address_first' });
    for (const linker of [user, unproven]) {
      const unsure = { ...nobody, profile: { ...profile, isEmailVerified: false }, link: { user: linker } };
      expect(decideArrival(unsure)).toMatchObject({ code: 'google_email_unverified' });
    }
  });
});

describe('taking Google away', () => {
  const ways = { hasGoogle: true, hasPassword: false, hasCodes: false };

  it('leaves nobody without a way in', () => {
    expect(refuseUnlinking(ways)).toBe('google_only_way_in');
    expect(refuseUnlinking({ ...ways, hasPassword: true })).toBeNull();
    expect(refuseUnlinking({ ...ways, hasCodes: true })).toBeNull();
    expect(refuseUnlinking({ ...ways, hasGoogle: false, hasPassword: true })).toBe('google_not_linked');
  });
});

it('an error is told to the page that began', () => {
  expect(errorPath('google_denied', null)).toBe('/sign-in?error=google_denied');
  expect(errorPath('google_denied', { returnTo: '/keys', linksUserId: null })).toBe('/sign-in?error=google_denied');
  expect(errorPath('google_denied', { returnTo: '/settings?tab=a#x', linksUserId: 'u' })).toBe(
    '/settings?tab=a&error=google_denied',
  );
});
