import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isUuid7, uuid7, uuid7Day, uuid7Time } from './uuid7.js';

const MAX_48_BITS = 2 ** 48 - 1;
/** Days are written with four digits of year. */
const END_OF_YEAR_9999_MS = Date.UTC(10_000, 0, 1) - 1;

describe('uuid7', () => {
  it('is a UUIDv7 that gives back its instant', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: MAX_48_BITS }), (nowMs) => {
        const id = uuid7(nowMs);
        expect(isUuid7(id)).toBe(true);
        expect(uuid7Time(id)).toBe(nowMs);
      }),
    );
  });

  it('sorts as text by time', () => {
    const instant = fc.integer({ min: 0, max: MAX_48_BITS });
    fc.assert(
      fc.property(instant, instant, (first, second) => {
        fc.pre(first < second);
        expect(uuid7(first) < uuid7(second)).toBe(true);
      }),
    );
  });

  it('gives ten thousand different ids within one millisecond', () => {
    const ids = new Set(Array.from({ length: 10_000 }, () => uuid7(1_763_700_000_000)));
    expect(ids.size).toBe(10_000);
  });

  it('leaves no random digit constant, so nothing is known of an id but its instant', () => {
    const ids = Array.from({ length: 400 }, () => uuid7(0).replaceAll('-', ''));
    for (let digit = 13; digit < 32; digit++) {
      const values = new Set(ids.map((id) => id.charAt(digit)));
      expect(values.size).toBe(digit === 16 ? 4 : 16);
    }
  });

  it('names the UTC day, on both sides of midnight', () => {
    expect(uuid7Day(uuid7(Date.UTC(2028, 1, 29, 23, 59, 59, 999)))).toBe('2028-02-29');
    expect(uuid7Day(uuid7(Date.UTC(2028, 2, 1)))).toBe('2028-03-01');
    fc.assert(
      fc.property(fc.integer({ min: 0, max: END_OF_YEAR_9999_MS }), (nowMs) => {
        expect(Date.parse(`${uuid7Day(uuid7(nowMs))}T00:00:00Z`)).toBe(nowMs - (nowMs % 86_400_000));
      }),
      { examples: [[0], [END_OF_YEAR_9999_MS]] },
    );
  });
});

describe('isUuid7', () => {
  it.each([
    ['another version', '01936b5e-8a7c-4c3d-9e1f-0123456789ab'],
    ['another variant', '01936b5e-8a7c-7c3d-ce1f-0123456789ab'],
    ['upper case', '01936B5E-8A7C-7C3D-9E1F-0123456789AB'],
    ['something before it', ' 01936b5e-8a7c-7c3d-9e1f-0123456789ab'],
    ['a line break after it', '01936b5e-8a7c-7c3d-9e1f-0123456789ab\n'],
  ])('refuses %s', (_, text) => {
    expect(isUuid7(text)).toBe(false);
  });

  it('says a day of four-digit years for every id, also for one that was made up', () => {
    expect(uuid7Day('f0085bc1-0014-7000-89ba-fbf7e3f213df')).toBe('9999-12-31');
    expect(uuid7Day('ffffffff-ffff-7fff-bfff-ffffffffffff')).toBe('9999-12-31');
  });
});
