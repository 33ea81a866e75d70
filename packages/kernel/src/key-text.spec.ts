import { crc32 as zlibCrc32 } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { encodeBase62, randomBase62 } from './base62.js';
import { crc32 } from './crc32.js';
import { KEY_PATTERN, newAccountTag, newKeyText, parseKeyText } from './key-text.js';

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const tag = fc.string({ unit: fc.constantFrom(...BASE62), minLength: 8, maxLength: 8 });
const key = tag.map((accountTag) => newKeyText(accountTag));

describe('key text (TL-3)', () => {
  it('gives back the account tag', () => {
    fc.assert(fc.property(tag, (accountTag) => parseKeyText(newKeyText(accountTag))?.accountTag === accountTag));
  });

  it('is refused after any change of one character', () => {
    fc.assert(
      fc.property(key, fc.nat({ max: 59 }), fc.constantFrom(...BASE62, '_', '-', ' ', 'é'), (text, at, other) => {
        fc.pre(text.charAt(at) !== other);
        expect(parseKeyText(text.slice(0, at) + other + text.slice(at + 1))).toBeNull();
      }),
      { numRuns: 1_000 },
    );
  });

  it('is refused with a character more or less', () => {
    fc.assert(
      fc.property(key, fc.nat({ max: 59 }), (text, at) => {
        expect(parseKeyText(text.slice(0, at) + text.slice(at + 1))).toBeNull();
        expect(parseKeyText(`${text.slice(0, at)}0${text.slice(at)}`)).toBeNull();
      }),
    );
    expect(parseKeyText(`${newKeyText('AAAAAAAA')}\n`)).toBeNull();
    expect(parseKeyText('')).toBeNull();
  });

  it('is found by the published pattern inside other text, whole', () => {
    fc.assert(
      fc.property(key, (text) => {
        expect(KEY_PATTERN.exec(`OPENAI_API_KEY="${text}"\n`)?.[0]).toBe(text);
      }),
    );
  });

  it('never repeats a secret', () => {
    expect(new Set(Array.from({ length: 1_000 }, () => newKeyText('AAAAAAAA'))).size).toBe(1_000);
  });
});

describe('account tag', () => {
  it('is eight base62 characters', () => {
    for (let count = 0; count < 100; count++) expect(newAccountTag()).toMatch(/^[0-9A-Za-z]{8}$/);
  });
});

describe('base62', () => {
  it('keeps every byte string of one length apart and in order', () => {
    const bytes = fc.uint8Array({ minLength: 4, maxLength: 4 });
    fc.assert(
      fc.property(bytes, bytes, (first, second) => {
        const order = Buffer.compare(first, second);
        const [left, right] = [encodeBase62(first, 6), encodeBase62(second, 6)];
        expect(left.length).toBe(6);
        expect(Buffer.compare(Buffer.from(left), Buffer.from(right))).toBe(order);
      }),
    );
  });

  it('draws every character of the alphabet', () => {
    expect(new Set(randomBase62(5_000)).size).toBe(62);
  });
});

describe('crc32', () => {
  it('is the CRC-32 of zip', () => {
    expect(crc32('123456789')).toBe(0xcbf43926);
    fc.assert(fc.property(fc.string({ unit: 'binary-ascii' }), (text) => crc32(text) === zlibCrc32(text)));
  });
});
