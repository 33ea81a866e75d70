import { readFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { KEY_PATTERN, newAccountTag, newKeyText } from './key-text.js';
import { newManagementToken } from './management-token.js';

const page = readFileSync(new URL('../../../docs/security-scanning.md', import.meta.url), 'utf8');
const published = new RegExp(/```regex\n(.*)\n```/.exec(page)?.[1] as string);
const ofGitleaks = new RegExp(/regex = '''(.*)'''/.exec(page)?.[1] as string);
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** The checksum as the page describes it, by another implementation of CRC-32. */
function hasChecksum(text: string): boolean {
  const [, body, checksum] = /^tlm?_([0-9A-Za-z]{51})([0-9A-Za-z]{6})$/.exec(text) ?? [];
  if (body === undefined) return false;
  let crc = crc32(body);
  let digits = '';
  for (let place = 0; place < 6; place++) {
    digits = DIGITS.charAt(crc % 62) + digits;
    crc = Math.floor(crc / 62);
  }
  return digits === checksum;
}

const texts = Array.from({ length: 200 }, (_, n) =>
  n % 2 === 0 ? newKeyText(newAccountTag()) : newManagementToken(newAccountTag()),
);

describe('what is published for secret scanners', () => {
  it('finds every key and every management token in the midst of other text, whole', () => {
    for (const text of texts) {
      for (const pattern of [published, ofGitleaks]) expect(pattern.exec(`KEY="${text}";`)?.[0]).toBe(text);
    }
    expect(ofGitleaks.source).toBe(published.source);
    // It is the product's own pattern, and that of tokens beside it.
    expect(published.source.replace('tlm?_', 'tl_')).toBe(KEY_PATTERN.source);
  });

  it('describes the checksum that they have, and that a text with another character lacks', () => {
    for (const text of texts) {
      expect(hasChecksum(text)).toBe(true);
      const at = 20;
      const other = text.charAt(at) === 'x' ? 'y' : 'x';
      expect(hasChecksum(text.slice(0, at) + other + text.slice(at + 1))).toBe(false);
    }
  });

  it('does not find what is longer, shorter or part of a word', () => {
    const text = texts[0] as string;
    for (const near of [`${text}a`, text.slice(0, -1), `x${text}`, text.replace('_', '-')]) {
      expect(published.test(near)).toBe(false);
    }
  });
});
