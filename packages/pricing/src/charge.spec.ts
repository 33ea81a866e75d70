import { describe, expect, it } from '@jest/globals';
import type { PriceVersion } from '@tensorloop/contracts/price-book';
import { DIMENSIONS, type Usage } from '@tensorloop/contracts/usage';
import { formatUsd, parseDecimal } from '@tensorloop/kernel/money';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import fc from 'fast-check';
import { ratesArbitrary, usageArbitrary } from '../test/arbitraries.js';
import { chargeUsage } from './charge.js';

function version(rates: PriceVersion['rates']): PriceVersion {
  return { id: uuid7(), model: 'm', effectiveFromMs: 0, effectiveToMs: null, rates };
}

/** Compares |amount − quantity × price / 1e6 × 1e9| with a half, in whole numbers: USD per million, 12 decimals. */
function oracleHolds(amount: bigint, quantity: number, unitPrice: string): boolean {
  const exactTimesE9 = BigInt(quantity) * parseDecimal(unitPrice, 12);
  const difference = amount * 1_000_000_000n - exactTimesE9;
  const distance = difference < 0n ? -difference : difference;
  return distance < 500_000_000n || (distance === 500_000_000n && amount % 2n === 0n);
}

describe('chargeUsage', () => {
  it('prices 1,000 in and 500 out of llama-3.3-70b at $0.0005 (TS-2)', () => {
    const charge = chargeUsage(version({ input: '0.20', output: '0.60' }), { input: 1_000, output: 500 });
    if ('missing' in charge) throw new Error('priced');
    expect(charge.totalNanoUsd).toBe(500_000n);
    expect(formatUsd(charge.totalNanoUsd)).toBe('0.0005');
    expect(charge.lines).toEqual([
      { dimension: 'input', quantity: 1_000, unitPrice: '0.20', amountNanoUsd: 200_000n },
      { dimension: 'output', quantity: 500, unitPrice: '0.60', amountNanoUsd: 300_000n },
    ]);
  });

  it('names what has no price and charges nothing then', () => {
    expect(chargeUsage(version({ input: '1' }), { input: 5, output: 1, output_audio: 2 })).toEqual({
      missing: ['output', 'output_audio'],
    });
  });

  it('needs no price for what was not used', () => {
    expect(chargeUsage(version({ input: '1' }), { input: 2, output: 0 })).toMatchObject({ totalNanoUsd: 2_000n });
    expect(chargeUsage(version({}), {})).toEqual({ lines: [], totalNanoUsd: 0n });
  });

  it('rounds ties to the even nano-USD, once per line', () => {
    const half = version({ input: '0.0005', output: '0.0005' });
    expect(chargeUsage(half, { input: 1, output: 3 })).toMatchObject({
      lines: [{ amountNanoUsd: 0n }, { amountNanoUsd: 2n }],
      totalNanoUsd: 2n,
    });
  });

  it('agrees with exact rational arithmetic on every line, and the total is their sum', () => {
    fc.assert(
      fc.property(ratesArbitrary(DIMENSIONS), usageArbitrary(), (rates, usage: Usage) => {
        const charge = chargeUsage(version(rates), usage);
        if ('missing' in charge) return false;
        const linesHold = charge.lines.every((line) => oracleHolds(line.amountNanoUsd, line.quantity, line.unitPrice));
        return linesHold && charge.lines.reduce((sum, line) => sum + line.amountNanoUsd, 0n) === charge.totalNanoUsd;
      }),
    );
  });
});
