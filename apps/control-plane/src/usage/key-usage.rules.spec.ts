import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { keyMoney } from './key-usage.rules.js';

const amount = fc.bigInt({ min: 0n, max: 10n ** 15n });

const use = fc.record({ totalNanoUsd: amount, settledNanoUsd: amount, heldNanoUsd: amount });

describe('what is left of a key', () => {
  it('is never below 0, and spent, held and left are the whole budget unless it is overdrawn', () => {
    fc.assert(
      fc.property(amount, use, (budget, { totalNanoUsd, settledNanoUsd, heldNanoUsd }) => {
        const money = keyMoney(budget, { totalNanoUsd, settledNanoUsd, heldNanoUsd }, null);
        const used = totalNanoUsd + settledNanoUsd + heldNanoUsd;
        expect(money?.leftNanoUsd).toBe(used > budget ? 0n : budget - used);
        expect(money?.isBudgetExhausted).toBe(totalNanoUsd + settledNanoUsd >= budget);
      }),
    );
  });

  it('goes by what admission goes by, and by metering where Redis was told of no total', () => {
    const use = { settledNanoUsd: 5n, heldNanoUsd: 2n };
    expect(keyMoney(100n, { ...use, totalNanoUsd: 40n }, 30n)).toMatchObject({ spentNanoUsd: 45n, leftNanoUsd: 53n });
    expect(keyMoney(100n, { ...use, totalNanoUsd: null }, 30n)).toMatchObject({ spentNanoUsd: 35n, heldNanoUsd: 2n });
  });

  it('is not exhausted by what is merely held: those calls may cost less', () => {
    const money = keyMoney(100n, { totalNanoUsd: 40n, settledNanoUsd: 0n, heldNanoUsd: 60n }, null);
    expect(money).toMatchObject({ leftNanoUsd: 0n, isBudgetExhausted: false });
  });

  it('is not made up where nobody says what was spent', () => {
    expect(keyMoney(100n, null, 30n)).toBeNull();
    expect(keyMoney(100n, { totalNanoUsd: null, settledNanoUsd: 0n, heldNanoUsd: 0n }, null)).toBeNull();
  });
});
