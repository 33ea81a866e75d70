import { describe, expect, it } from '@jest/globals';
import { PasswordHasher } from './password-hasher.js';

/** Two at work, fifty of one network waiting. */
const ACCEPTED_AT_ONCE = 52;

describe('passwords (TL-1)', () => {
  it('are stored as argon2id of 19 MiB and two passes, salted', async () => {
    const hasher = new PasswordHasher();
    const [first, second] = await Promise.all([hasher.create('correct horse'), hasher.create('correct horse')]);
    expect(first).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect(second).not.toBe(first);
    expect(await hasher.matches(first, 'correct horse')).toBe(true);
    expect(await hasher.matches(first, 'correct horsE')).toBe(false);
  });

  it('match however the keyboard composes their letters', async () => {
    const hasher = new PasswordHasher();
    expect(await hasher.matches(await hasher.create('cafe\u0301 au lait'), 'caf\u00e9 au lait')).toBe(true);
  });

  it('match nothing where there is no user, the text of the decoy neither', async () => {
    expect(await new PasswordHasher().matches(null, 'decoy')).toBe(false);
  });

  it('of a flood are turned away beyond a bound, and the rest is served', async () => {
    const hasher = new PasswordHasher();
    const results = await Promise.allSettled(Array.from({ length: ACCEPTED_AT_ONCE + 3 }, () => hasher.create('x')));
    const refused = results.filter((result) => result.status === 'rejected');
    expect(refused.map(({ reason }) => reason.code)).toEqual(['sign_in_busy', 'sign_in_busy', 'sign_in_busy']);
    expect(await hasher.create('x')).toContain('$argon2id$');
  });
});
