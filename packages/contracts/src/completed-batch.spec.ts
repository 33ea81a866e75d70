import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { BATCH_CALLS_MAX, BATCH_CHARACTERS_MAX, bundlesOf, joinCalls, splitCalls } from './completed-batch.js';

const callsOf = (payloads: readonly string[]) => payloads.map((payload) => ({ payload }));
const textsOf = (data: Uint8Array) => splitCalls(data).map((line) => new TextDecoder().decode(line));

describe('calls in one message', () => {
  it('come out as they went in, whatever is in their texts', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue(), { minLength: 1, maxLength: 20 }), (values) => {
        const payloads = values.map((value) => JSON.stringify(value));
        expect(textsOf(new TextEncoder().encode(joinCalls(callsOf(payloads))))).toEqual(payloads);
      }),
    );
  });

  it('are one at least, so that an empty message is seen and quarantined', () => {
    expect(textsOf(new Uint8Array())).toEqual(['']);
    expect(textsOf(new TextEncoder().encode('{}\n'))).toEqual(['{}', '']);
  });

  it('are all in some bundle, in order, and in none beyond the bounds but alone', () => {
    const lengths = fc.array(fc.oneof(fc.nat(2_000), fc.nat(2 * BATCH_CHARACTERS_MAX)), { maxLength: 300 });
    fc.assert(
      fc.property(lengths, (sizes) => {
        const calls = callsOf(sizes.map((size) => 'x'.repeat(size)));
        const bundles = bundlesOf(calls);
        expect(bundles.flat()).toEqual(calls);
        for (const bundle of bundles) {
          const characters = bundle.reduce((sum, { payload }) => sum + payload.length, 0);
          expect(bundle.length).toBeLessThanOrEqual(BATCH_CALLS_MAX);
          expect(bundle.length === 1 || characters <= BATCH_CHARACTERS_MAX).toBe(true);
        }
      }),
      { numRuns: 50 },
    );
  });
});
