import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { KEY_PATTERN, newKeyText, parseKeyText } from './key-text.js';
import { MANAGEMENT_TOKEN_PATTERN, newManagementToken, parseManagementToken } from './management-token.js';

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const tag = fc.string({ unit: fc.constantFrom(...BASE62), minLength: 8, maxLength: 8 });
const token = tag.map((accountTag) => newManagementToken(accountTag));

describe('the text of a management token (TL-6)', () => {
  it('gives back the account tag, and is found whole by the published pattern inside other text', () => {
    fc.assert(
      fc.property(tag, (accountTag) => {
        const text = newManagementToken(accountTag);
        expect(parseManagementToken(text)).toEqual({ accountTag });
        expect(MANAGEMENT_TOKEN_PATTERN.exec(`TOKEN="${text}"\n`)?.[0]).toBe(text);
      }),
    );
  });

  it('is refused after any change of one character', () => {
    fc.assert(
      fc.property(token, fc.nat({ max: 60 }), fc.constantFrom(...BASE62, '_', '-', ' '), (text, at, other) => {
        fc.pre(text.charAt(at) !== other);
        expect(parseManagementToken(text.slice(0, at) + other + text.slice(at + 1))).toBeNull();
      }),
      { numRuns: 1_000 },
    );
  });

  it('is never taken for an inference key, nor a key for it', () => {
    const [text, key] = [newManagementToken('Acc0unt1'), newKeyText('Acc0unt1')];
    expect(parseKeyText(text)).toBeNull();
    expect(KEY_PATTERN.test(text)).toBe(false);
    expect(parseManagementToken(key)).toBeNull();
    expect(MANAGEMENT_TOKEN_PATTERN.test(key)).toBe(false);
  });
});
