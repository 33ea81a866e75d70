import { describe, expect, it } from '@jest/globals';
import type { PriceVersion } from '@tensorloop/contracts/price-book';
import type { RequestCompleted } from '@tensorloop/contracts/request-completed';
import { DIMENSIONS } from '@tensorloop/contracts/usage';
import { DAY_MS, utcDay, WINDOW_MS } from '@tensorloop/kernel/budget-window';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import fc from 'fast-check';
import { newEvent, newTenant, oracleCharge, oracleNanoUsd, PRICE } from '../testing/events.js';
import { judge } from './ingest.rules.js';
import type { Verdict } from './ingest.types.js';

const prices = new Map([[PRICE.id, PRICE]]);

function judgeEvent(event: unknown, nowMs = Date.now()): Verdict {
  const text = typeof event === 'string' ? event : JSON.stringify(event);
  return judge(new TextEncoder().encode(text), { nowMs, findPrice: (id) => prices.get(id) ?? null });
}

function reasonOf(event: unknown, nowMs?: number): string {
  const verdict = judgeEvent(event, nowMs);
  return 'rejection' in verdict ? verdict.rejection.reason : 'none';
}

describe('a correct event', () => {
  it('becomes a call whose lines sum to its charge', () => {
    const verdict = judgeEvent(newEvent({ usage: { input: 10, input_cache_read: 3, output: 7 } }));
    if (!('call' in verdict)) throw new Error(JSON.stringify(verdict));
    expect(verdict.call.lines.map((line) => line.dimension)).toEqual(['input', 'input_cache_read', 'output']);
    expect(verdict.call.lines.reduce((sum, line) => sum + line.amountNanoUsd, 0n)).toBe(verdict.call.chargeNanoUsd);
  });

  it('has the same hash however its fields are ordered, and another one when any of them changes', () => {
    const event = newEvent({ usage: { input: 10, output: 7 } });
    const hashOf = (changed: unknown) => {
      const verdict = judgeEvent(changed);
      return 'call' in verdict ? verdict.call.payloadHash.toString('hex') : JSON.stringify(verdict);
    };
    const reversed = Object.fromEntries(Object.entries({ ...event, usage: { output: 7, input: 10 } }).reverse());
    expect(hashOf(reversed)).toBe(hashOf(event));
    expect(hashOf({ ...event, latencyMs: 1 })).not.toBe(hashOf(event));
    expect(hashOf({ ...event, attempts: [] })).not.toBe(hashOf(event));
  });

  it('of a later gateway is booked: what is new in it changes the hash, and no price', () => {
    const event = newEvent();
    const [attempt] = event.attempts;
    const later = { ...event, region: 'eu', attempts: [{ ...attempt, upstreamRequestId: 'req_1' }] };
    const [before, after] = [judgeEvent(event), judgeEvent(later)];
    if (!('call' in before) || !('call' in after)) throw new Error(JSON.stringify([before, after]));
    expect(after.call.chargeNanoUsd).toBe(before.call.chargeNanoUsd);
    expect(after.call.lines).toEqual(before.call.lines);
    expect(after.call.payloadHash).not.toEqual(before.call.payloadHash);
  });
});

describe('what is no request.completed.v1', () => {
  it.each([
    ['no JSON', '{"v":1,'],
    ['another version', { ...newEvent(), v: 2 }],
    ['an unknown outcome', { ...newEvent(), outcome: 'refunded' }],
    ['an unknown dimension', newEvent({ usage: { input: 1, video: 1 } as never })],
    ['money as a number', { ...newEvent(), chargeNanoUsd: 5 }],
    ['null', null],
  ])('is invalid: %s', (_name, event) => {
    expect(reasonOf(event)).toBe('invalid');
  });

  it('is settled where the gateway, the account and the call can be read', () => {
    const event = newEvent();
    const { requestId, gatewayId, accountTag } = event;
    expect(judgeEvent({ ...event, usage: 'lots' }).target).toEqual({ requestId, gatewayId, accountTag, account: null });
    expect(judgeEvent({ requestId }).target).toBeNull();
  });

  it('never throws, whatever the bytes', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 64 }),
          fc.json().map((text) => new TextEncoder().encode(text)),
        ),
        (data) => {
          const verdict = judge(data, { nowMs: Date.now(), findPrice: () => PRICE });
          expect(verdict).toHaveProperty('rejection.reason', 'invalid');
        },
      ),
    );
  });
});

describe('the time of an id', () => {
  it('must be within a day of the admission', () => {
    const nowMs = Date.now();
    expect(reasonOf({ ...newEvent(), requestId: uuid7(nowMs - DAY_MS - 60_000) })).toBe('id_time');
    expect(reasonOf({ ...newEvent(), requestId: uuid7(nowMs + DAY_MS + 60_000) })).toBe('id_time');
    expect(reasonOf({ ...newEvent(), requestId: uuid7(nowMs - DAY_MS + 60_000) })).toBe('none');
  });

  it('must not be in the future, the admission included', () => {
    expect(reasonOf(newEvent({ admittedAtMs: Date.now() + DAY_MS + 60_000 }))).toBe('id_time');
  });

  it('may be weeks ago where the event waited out an outage, but not for ever', () => {
    const tenant = { ...newTenant(), mintedAtMs: Date.now() - 200 * DAY_MS };
    expect(reasonOf(newEvent({ tenant, admittedAtMs: Date.now() - 20 * DAY_MS }))).toBe('none');
    expect(reasonOf(newEvent({ tenant, admittedAtMs: Date.now() - 32 * DAY_MS }))).toBe('id_time');
  });
});

describe('the scopes of a call', () => {
  it('must follow from its admission', () => {
    const event = newEvent();
    expect(reasonOf({ ...event, day: utcDay(event.admittedAtMs - DAY_MS) })).toBe('scope_mismatch');
    expect(reasonOf({ ...event, windowIndex: 1, windowStartMs: event.windowStartMs + WINDOW_MS })).toBe('scope_mismatch');
    expect(reasonOf({ ...event, windowStartMs: event.windowStartMs - WINDOW_MS })).toBe('scope_mismatch');
    expect(reasonOf({ ...event, windowIndex: 1_000_000 })).toBe('scope_mismatch');
  });

  it('keep window 0 for a call admitted just before its key was minted by the other clock', () => {
    expect(reasonOf({ ...newEvent(), windowIndex: 0, windowStartMs: Date.now() + 5_000 })).toBe('none');
  });
});

describe('the price of a call', () => {
  it('is missing, never 0, for an unknown version or an unpriced dimension', () => {
    expect(reasonOf({ ...newEvent(), priceVersionId: uuid7() })).toBe('price_missing');
    expect(reasonOf(newEvent({ usage: { input: 1, input_audio: 1 } }))).toBe('price_missing');
  });

  it('must be the gateway’s to the nano-USD', () => {
    const event = newEvent();
    expect(reasonOf({ ...event, chargeNanoUsd: (BigInt(event.chargeNanoUsd) - 1n).toString() })).toBe('price_mismatch');
    expect(reasonOf({ ...event, overrunNanoUsd: '1' })).toBe('price_mismatch');
    expect(reasonOf({ ...event, model: 'another-model' })).toBe('price_mismatch');
  });

  it.each(['upstream_error', 'upstream_cut'] as const)('is nothing after %s (TL-9), whatever was counted', (outcome) => {
    const free: RequestCompleted = { ...newEvent(), outcome, chargeNanoUsd: '0', overrunNanoUsd: '0' };
    const verdict = judgeEvent(free);
    expect(verdict).toHaveProperty('call.lines', []);
    expect(reasonOf({ ...newEvent(), outcome })).toBe('price_mismatch');
  });

  it('equals an independent rational oracle, half to even, and its lines sum to it under any hold', () => {
    const rate = fc
      .tuple(fc.nat(99_999), fc.nat(999_999_999))
      .map(([whole, fraction]) => `${whole}.${String(fraction).padStart(9, '0')}`);
    const quantity = fc.oneof(fc.nat(20), fc.nat(1_000_000_000));
    const dimensions = fc.record({ input: quantity, input_cache_read: quantity, output: quantity, output_reasoning: quantity });
    const rates = fc.record({ input: rate, input_cache_read: rate, output: rate, output_reasoning: rate });
    fc.assert(
      fc.property(dimensions, rates, fc.nat(100), (usage, randomRates, holdPercent) => {
        const price: PriceVersion = { ...PRICE, id: uuid7(), rates: randomRates };
        const cost = oracleCharge(price, usage);
        const event = newEvent({ price, usage, holdNanoUsd: (cost * BigInt(holdPercent)) / 99n });
        const verdict = judge(new TextEncoder().encode(JSON.stringify(event)), { nowMs: Date.now(), findPrice: () => price });
        if (!('call' in verdict)) throw new Error(JSON.stringify(verdict));
        const { lines, chargeNanoUsd } = verdict.call;
        expect(chargeNanoUsd + BigInt(event.overrunNanoUsd)).toBe(cost);
        expect(lines.reduce((sum, line) => sum + line.amountNanoUsd, 0n)).toBe(chargeNanoUsd);
        expect(lines.map((line) => line.dimension)).toEqual(
          DIMENSIONS.filter((dimension) => (usage as Record<string, number>)[dimension]),
        );
      }),
    );
  });

  it('rounds ties to the even neighbour', () => {
    // 0.0005 USD per million = 0.5 nano-USD per unit.
    expect([1, 2, 3, 5].map((quantity) => oracleNanoUsd(quantity, '0.0005'))).toEqual([0n, 1n, 2n, 2n]);
    const price: PriceVersion = { ...PRICE, rates: { input: '0.0005' } };
    for (const [quantity, expected] of [
      [1, '0'],
      [3, '2'],
      [5, '2'],
      [7, '4'],
    ] as const) {
      const event = { ...newEvent({ price, usage: { input: quantity } }), chargeNanoUsd: expected };
      const verdict = judge(new TextEncoder().encode(JSON.stringify(event)), { nowMs: Date.now(), findPrice: () => price });
      expect(verdict).toHaveProperty('call.chargeNanoUsd', BigInt(expected));
    }
  });
});
