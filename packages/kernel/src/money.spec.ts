import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { divideCeil, divideHalfEven, formatDecimal, formatUsd, NANO_PER_USD, parseDecimal, parseUsd } from './money.js';

const amount = fc.bigInt({ min: 0n, max: 10n ** 30n });
const divisor = fc.bigInt({ min: 1n, max: 10n ** 18n });

describe('divideHalfEven', () => {
  it.each([
    [1n, 2n, 0n],
    [3n, 2n, 2n],
    [5n, 2n, 2n],
    [7n, 2n, 4n],
    [5n, 10n, 0n],
    [15n, 10n, 2n],
    [24n, 10n, 2n],
    [26n, 10n, 3n],
  ])('%s / %s is %s', (numerator, denominator, expected) => {
    expect(divideHalfEven(numerator, denominator)).toBe(expected);
  });

  it('lies within half a unit of the exact quotient, and is even where it lies exactly half away', () => {
    fc.assert(
      fc.property(amount, divisor, (numerator, denominator) => {
        const rounded = divideHalfEven(numerator, denominator);
        const twiceError = 2n * (rounded * denominator - numerator);
        const magnitude = twiceError < 0n ? -twiceError : twiceError;
        expect(magnitude <= denominator).toBe(true);
        if (magnitude === denominator) expect(rounded % 2n).toBe(0n);
      }),
    );
  });

  it('agrees on exact ties with the even neighbour', () => {
    fc.assert(
      fc.property(amount, divisor, (half, scale) => {
        const tie = divideHalfEven((2n * half + 1n) * scale, 2n * scale);
        expect(tie).toBe(half % 2n === 0n ? half : half + 1n);
      }),
    );
  });
});

describe('divideCeil', () => {
  it('is the least integer that covers the exact quotient, so a hold is never too small', () => {
    fc.assert(
      fc.property(amount, divisor, (numerator, denominator) => {
        const up = divideCeil(numerator, denominator);
        expect(up * denominator >= numerator).toBe(true);
        expect((up - 1n) * denominator < numerator).toBe(true);
      }),
    );
  });

  it('never lies below the charge that half-even gives', () => {
    fc.assert(fc.property(amount, divisor, (n, d) => divideCeil(n, d) >= divideHalfEven(n, d)));
  });
});

describe('parseDecimal and formatDecimal', () => {
  it('give back every scaled integer', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 24n), max: 10n ** 24n }), fc.integer({ min: 0, max: 15 }), (value, scale) => {
        expect(parseDecimal(formatDecimal(value, scale), scale)).toBe(value);
      }),
    );
  });

  it.each(['', ' 1', '1 ', '1e3', '.5', '1.', '+1', '0x10', 'NaN', '1,000', '--1', '1.2.3'])('refuse %j', (text) => {
    expect(() => parseDecimal(text, 9)).toThrow(RangeError);
  });

  it('refuse what the scale cannot hold exactly, but not trailing zeros', () => {
    expect(() => parseUsd('0.0000000001')).toThrow('cannot be held exactly');
    expect(parseUsd('0.10000000000000')).toBe(NANO_PER_USD / 10n);
  });
});

describe('formatUsd', () => {
  it.each([
    [0n, '0.00'],
    [5n * NANO_PER_USD, '5.00'],
    [500_000n, '0.0005'],
    [1n, '0.000000001'],
    [-1_500_000_000n, '-1.50'],
  ])('writes %s nano-USD as %s', (value, text) => {
    expect(formatUsd(value)).toBe(text);
    expect(parseUsd(text)).toBe(value);
  });
});
