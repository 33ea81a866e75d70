import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { cpuMsOf } from '@tensorloop/testing/cpu-time';
import { waitUntil } from '@tensorloop/testing/wait-until';
import fc from 'fast-check';
import { Credentials, FILE_CHECK_MS } from './credentials.service.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tensorloop-secret-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('credential references', () => {
  it('to the environment are resolved there and nowhere else', () => {
    const credentials = new Credentials((name) => (name === 'OPENAI_API_KEY' ? 'secret' : undefined));
    expect(credentials.resolve('env:OPENAI_API_KEY')).toBe('secret');
    expect(credentials.resolve('env:ABSENT')).toBeNull();
  });

  it('to a file give its content without the final newline', () => {
    writeFileSync(join(folder, 'key'), 'secret\n');
    const credentials = new Credentials(() => undefined);
    expect(credentials.resolve(pathToFileURL(join(folder, 'key')).href)).toBe('secret');
    expect(credentials.resolve(pathToFileURL(join(folder, 'absent')).href)).toBeNull();
  });

  it('to a file follow it when it is replaced, and outlast the moment in which it is missing', async () => {
    let nowMs = 0;
    const file = join(folder, 'key');
    const reference = pathToFileURL(file).href;
    const credentials = new Credentials(
      () => undefined,
      () => nowMs,
    );
    expect(credentials.resolve(reference)).toBeNull();
    const turnsInto = (value: string) =>
      waitUntil(
        () => {
          nowMs += FILE_CHECK_MS + 1;
          return credentials.resolve(reference) === value;
        },
        { what: `the secret "${value}"` },
      );
    writeFileSync(file, 'first');
    await turnsInto('first');
    rmSync(file);
    nowMs += FILE_CHECK_MS + 1;
    expect(credentials.resolve(reference)).toBe('first');
    writeFileSync(join(folder, 'new'), 'the-second-secret');
    renameSync(join(folder, 'new'), file);
    await turnsInto('the-second-secret');
    writeFileSync(join(folder, 'new'), 'the-third-secret');
    renameSync(join(folder, 'new'), file);
    await turnsInto('the-third-secret');
    // Calls that were sent with the one before are still being answered.
    expect(credentials.scrub('the-second-secret the-third-secret', reference)).toBe('[redacted] [redacted]');
  });
});

describe('a text that quotes a secret', () => {
  const credentials = new Credentials((name) => ({ KEY: 'pass"word-of-ours', SHORT: 'abc' })[name]);

  it('loses it, as it is and as JSON writes it', () => {
    const text = `${JSON.stringify({ key: 'pass"word-of-ours' })} pass"word-of-ours`;
    expect(credentials.scrub(text, 'env:KEY')).toBe('{"key":"[redacted]"} [redacted]');
  });

  it('loses it however its characters are written, and stays the JSON that it was', () => {
    const secret = fc.string({ unit: fc.constantFrom(...'abcXYZ019-_+/=.$"'), minLength: 8, maxLength: 40 });
    const spelling = fc.constantFrom(
      (unit: string) => JSON.stringify(unit).slice(1, -1),
      (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
      (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0').toUpperCase()}`,
      (unit: string) => (unit === '/' ? '\\/' : JSON.stringify(unit).slice(1, -1)),
    );
    fc.assert(
      fc.property(secret, fc.array(spelling, { minLength: 1 }), fc.lorem(), (own, spellings, words) => {
        const of = new Credentials(() => own);
        const written = [...own].map((unit, at) => spellings[at % spellings.length]?.(unit)).join('');
        const clean = JSON.parse(of.scrub(`{"${written}":["${words} ${written}!"]}`, 'env:KEY'));
        expect(clean).toEqual({ '[redacted]': [`${words} [redacted]!`] });
        const address = `https://x.test/?q=${encodeURIComponent(own)}`;
        expect(of.scrub(JSON.stringify({ quoted: JSON.stringify({ own }), address }), 'env:KEY')).toBe(
          JSON.stringify({ quoted: JSON.stringify({ own: '[redacted]' }), address: 'https://x.test/?q=[redacted]' }),
        );
      }),
    );
  });

  it('of backslashes alone is read in no time', () => {
    const text = '\\'.repeat(64 * 1024);
    expect(cpuMsOf(() => expect(credentials.scrub(text, 'env:KEY')).toBe(text))).toBeLessThan(200);
  });

  it('is left alone where there is none', () => {
    expect(credentials.scrub('abc', 'env:SHORT')).toBe('abc');
    expect(credentials.scrub('abc', 'env:ABSENT')).toBe('abc');
    expect(credentials.scrub('abc', null)).toBe('abc');
  });
});
