import { describe, expect, it } from '@jest/globals';
import { keyedHash, seal, sealingKey, unseal } from './sealing.rules.js';

const key = sealingKey('a secret of the specs');

describe('what is sealed', () => {
  it('opens again, for its purpose and under its key alone', () => {
    const sealed = seal(key, 'mail-job', 'äöü 🙂');
    expect(unseal(key, 'mail-job', sealed)).toBe('äöü 🙂');
    expect(unseal(key, 'google-sign-in', sealed)).toBeNull();
    expect(unseal(sealingKey('another secret'), 'mail-job', sealed)).toBeNull();
  });

  it('does not open after the change of any byte', () => {
    const bytes = Buffer.from(seal(key, 'mail-job', 'text'), 'base64url');
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] as number) ^ 1;
      expect(unseal(key, 'mail-job', changed.toString('base64url'))).toBeNull();
    }
  });

  it('shows nothing of the text, and not that two texts are the same', () => {
    expect(seal(key, 'mail-job', 'same')).not.toBe(seal(key, 'mail-job', 'same'));
    expect(Buffer.from(seal(key, 'mail-job', 'readable'), 'base64url').toString('latin1')).not.toContain('readable');
  });

  it.each(['', 'x', 'not base64 at all!', 'A'.repeat(40)])('is null for what never was: "%s"', (text) => {
    expect(unseal(key, 'mail-job', text)).toBeNull();
  });
});

it('a keyed hash differs by key, purpose and text', () => {
  const hashes = [
    keyedHash(key, 'sign-in-code', '000000'),
    keyedHash(key, 'sign-in-code', '000001'),
    keyedHash(key, 'mail-job', '000000'),
    keyedHash(sealingKey('another secret'), 'sign-in-code', '000000'),
  ];
  expect(new Set(hashes).size).toBe(hashes.length);
});
