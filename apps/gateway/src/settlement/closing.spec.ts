import { describe, expect, it } from '@jest/globals';
import { requestCompletedSchema } from '@tensorloop/contracts/request-completed';
import type { Usage } from '@tensorloop/contracts/usage';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import fc from 'fast-check';
import type { AcceptedRecord } from '../journal/journal.types.js';
import { closeCall, type Ending } from './closing.js';

function accepted(holdNanoUsd: string): AcceptedRecord {
  return {
    requestId: uuid7(),
    accountId: uuid7(),
    accountTag: 'account1',
    keyId: uuid7(),
    model: 'gpt-4o-mini',
    endpoint: 'chat.completions',
    gatewayId: 'gw-1',
    stream: true,
    admittedAtMs: 1_795_000_000_000,
    windowIndex: 0,
    windowStartMs: 1_795_000_000_000,
    day: '2026-11-18',
    priceVersionId: uuid7(),
    holdNanoUsd,
    promptBytes: 120,
    price: {
      id: uuid7(),
      model: 'gpt-4o-mini',
      effectiveFromMs: 0,
      effectiveToMs: null,
      rates: { input: '0.15', output: '0.60' },
    },
  };
}

function ending(usage: Usage): Ending {
  return {
    outcome: 'completed',
    usage,
    estimated: false,
    httpStatus: 200,
    completedAtMs: 1_795_000_000_005,
    latencyMs: 5,
    firstByteMs: 1,
    attempts: [],
  };
}

describe('the event of an ended call', () => {
  it('fits the contract and carries the exact price', () => {
    const event = requestCompletedSchema.parse(closeCall(accepted('1000000'), ending({ input: 1_000, output: 500 })));
    // 1,000 × 0.15 + 500 × 0.60 USD per million.
    expect(event).toMatchObject({ chargeNanoUsd: '450000', overrunNanoUsd: '0' });
  });

  it('never charges above the hold, and records the rest as overrun', () => {
    const tokens = fc.integer({ min: 0, max: 2_000_000 });
    fc.assert(
      fc.property(tokens, tokens, fc.bigInt({ min: 0n, max: 10n ** 12n }), (input, output, hold) => {
        const event = closeCall(accepted(hold.toString()), ending({ input, output }));
        const price = BigInt(input) * 150n + BigInt(output) * 600n;
        expect(BigInt(event.chargeNanoUsd) + BigInt(event.overrunNanoUsd)).toBe(price);
        expect(BigInt(event.chargeNanoUsd) <= hold).toBe(true);
        expect(event.overrunNanoUsd === '0' || event.chargeNanoUsd === hold.toString()).toBe(true);
      }),
    );
  });

  it('counts a dimension without a price as plain input or output, and says that it estimated', () => {
    const event = closeCall(accepted('1000000000'), ending({ input: 10, input_audio: 5, output_audio: 7 }));
    expect(event).toMatchObject({ usage: { input: 15, output: 7 }, estimated: true });
  });
});
