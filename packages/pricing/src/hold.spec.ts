import { describe, expect, it } from '@jest/globals';
import { DIMENSIONS, type Dimension, type Usage } from '@tensorloop/contracts/usage';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import fc from 'fast-check';
import { ratesArbitrary } from '../test/arbitraries.js';
import { chargeUsage } from './charge.js';
import { type HoldSubject, inputTokensMax, outputTokensFor, worstCaseHold } from './hold.js';

const limits = {
  contextTokens: 128_000,
  maxOutputTokens: 16_384,
  tokensPerKilobyteMax: 1_000,
  overheadTokens: 10,
  overheadTokensPerMessage: 4,
  imageTokensMax: 1_500,
};

function subject(rates: Record<string, string>, shape: HoldSubject['shape']): HoldSubject {
  return { version: { id: uuid7(), model: 'm', effectiveFromMs: 0, effectiveToMs: null, rates }, limits, shape };
}

/** Spreads `tokens` over dimensions by weights, so that they add up exactly. */
function spread(tokens: number, dimensions: readonly Dimension[], weights: number[]): Usage {
  const sum = weights.reduce((total, weight) => total + weight, 0) || 1;
  const usage: Usage = {};
  let rest = tokens;
  dimensions.forEach((dimension, index) => {
    const share =
      index === dimensions.length - 1 ? rest : Math.min(rest, Math.floor((tokens * (weights[index] as number)) / sum));
    usage[dimension] = share;
    rest -= share;
  });
  return usage;
}

const INPUT_SIDE: Dimension[] = ['input', 'input_cache_read', 'input_cache_write', 'input_audio'];
const OUTPUT_SIDE: Dimension[] = ['output', 'output_reasoning', 'output_audio'];

const calls = fc.record({
  rates: ratesArbitrary(DIMENSIONS),
  shape: fc.record({
    promptBytes: fc.oneof(fc.nat(5), fc.nat(300_000)),
    messages: fc.nat(20),
    images: fc.nat(3),
    choices: fc.integer({ min: 1, max: 8 }),
    hasAudio: fc.constant(true),
    inputs: fc.integer({ min: 1, max: 5 }),
    tokens: fc.nat(1_000),
    units: fc.record({ image: fc.nat(10), audio_second: fc.nat(7_200), character: fc.nat(4_096) }),
  }),
  outputTokens: fc.oneof(fc.nat(5), fc.nat(16_384)),
  inputShare: fc.double({ min: 0, max: 1, noNaN: true }),
  inputWeights: fc.array(fc.nat(9), { minLength: 4, maxLength: 4 }),
  outputWeights: fc.array(fc.nat(9), { minLength: 3, maxLength: 3 }),
});

describe('worstCaseHold', () => {
  it('is never below the charge of any usage within the bounds', () => {
    fc.assert(
      fc.property(calls, ({ rates, shape, outputTokens, ...mix }) => {
        const call = subject(rates as Record<string, string>, shape);
        const hold = worstCaseHold(call, outputTokens);
        const inputs = Math.floor((inputTokensMax(limits, shape) as number) * mix.inputShare);
        const outputs = outputTokens * shape.choices;
        for (const input of [inputs, inputTokensMax(limits, shape) as number]) {
          const tokens = { ...spread(input, INPUT_SIDE, mix.inputWeights), ...spread(outputs, OUTPUT_SIDE, mix.outputWeights) };
          const usage = { ...tokens, ...shape.units };
          const charge = chargeUsage(call.version, usage);
          if (hold === null || 'missing' in charge || charge.totalNanoUsd > hold.totalNanoUsd) return false;
        }
        return true;
      }),
      { numRuns: 500 },
    );
  });

  it('covers rounding that lifts several lines of a few tokens at once', () => {
    const call = subject(
      { input: '0.0006', input_cache_read: '0.0006', input_cache_write: '0.0006', output: '0' },
      { promptBytes: 0, messages: 0 },
    );
    const tight = { ...call, limits: { ...limits, overheadTokens: 3 } };
    const charge = chargeUsage(call.version, { input: 1, input_cache_read: 1, input_cache_write: 1 });
    expect(charge).toMatchObject({ totalNanoUsd: 3n });
    expect(worstCaseHold(tight, 0)?.totalNanoUsd).toBeGreaterThanOrEqual(3n);
  });

  it('holds input once and output once per choice', () => {
    const rates = { input: '1', output: '2' };
    const one = worstCaseHold(subject(rates, { promptBytes: 990, messages: 0 }), 100);
    const three = worstCaseHold(subject(rates, { promptBytes: 990, messages: 0, choices: 3 }), 100);
    expect(one).toMatchObject({ inputNanoUsd: 1_000_000n, outputNanoUsd: 200_000n, totalNanoUsd: 1_200_000n });
    expect(three?.totalNanoUsd).toBe(1_600_000n);
  });

  it('holds for the dearest rate of each side', () => {
    const rates = { input: '1', input_cache_write: '1.25', input_cache_read: '0.1', output: '2', output_reasoning: '3' };
    const hold = worstCaseHold(subject(rates, { promptBytes: 999_990, messages: 0 }), 1_000);
    expect(hold?.inputNanoUsd).toBe(128_000n * 1_250n + 1n);
    expect(hold?.outputNanoUsd).toBe(3_000_001n);
  });

  it('holds the context window when the input cannot be bounded, and never more than it', () => {
    const rates = { input: '1', output: '2' };
    expect(worstCaseHold(subject(rates, { promptBytes: 3, messages: 1, isInputUnbounded: true }), 0)?.totalNanoUsd).toBe(
      128_000_000n,
    );
    expect(worstCaseHold(subject(rates, { promptBytes: 9_000_000, messages: 1 }), 0)?.totalNanoUsd).toBe(128_000_000n);
  });

  it('counts the model’s worst case per image, and refuses images it does not take', () => {
    const shape = { promptBytes: 0, messages: 0, images: 2 };
    expect(inputTokensMax(limits, shape)).toBe(3_010);
    expect(inputTokensMax({ ...limits, imageTokensMax: null }, shape)).toBeNull();
    expect(worstCaseHold({ ...subject({ input: '1' }, shape), limits: { ...limits, imageTokensMax: null } }, 0)).toBeNull();
  });

  it('counts window and template once for each of several texts', () => {
    const rates = { input: '1' };
    const texts = { promptBytes: 980, messages: 0, inputs: 2 };
    expect(worstCaseHold(subject(rates, texts), 0)?.totalNanoUsd).toBe(1_000_000n);
    expect(worstCaseHold(subject(rates, { ...texts, promptBytes: 9_000_000 }), 0)?.totalNanoUsd).toBe(256_000_000n);
  });

  it('holds what is asked for by the piece, and knows nothing without its price', () => {
    const shape = { promptBytes: 990, messages: 0, units: { image: 3 } };
    expect(worstCaseHold(subject({ image: '40000' }, shape), 0)?.totalNanoUsd).toBe(120_000_000n);
    expect(worstCaseHold(subject({ image: '40000', input: '1' }, shape), 0)?.totalNanoUsd).toBe(121_000_000n);
    expect(worstCaseHold(subject({ input: '1' }, shape), 0)).toBeNull();
  });

  it('holds for pictures by the kind asked for, and a price with other kinds only does not cover it', () => {
    const shape = { promptBytes: 0, messages: 0, units: { image_hd: 2 }, unitTokens: 'output_image' as const };
    const tokens = { input: '1', output_image: '8' };
    expect(worstCaseHold(subject({ image: '40000', image_hd: '80000' }, shape), 0)?.totalNanoUsd).toBe(160_000_000n);
    expect(worstCaseHold(subject({ image: '40000' }, shape), 0)).toBeNull();
    expect(worstCaseHold(subject({ image: '40000', ...tokens }, shape), 100)).toBeNull();
  });

  it('holds for the tokens of what is sold by tokens, of each piece', () => {
    const shape = { promptBytes: 990, messages: 0, choices: 2, units: { image: 2 }, unitTokens: 'output_image' as const };
    const hold = worstCaseHold(subject({ input: '1', output_image: '8' }, shape), 100);
    expect(hold).toMatchObject({ inputNanoUsd: 1_000_000n, outputNanoUsd: 1_600_000n, unitsNanoUsd: 0n });
    expect(worstCaseHold(subject({ output_image: '8' }, shape), 100)).toBeNull();
    const heard = { ...shape, choices: 1, units: { audio_second: 9 }, unitTokens: 'input_audio' as const };
    expect(worstCaseHold(subject({ input: '1', input_audio: '6', output: '2' }, heard), 100)).toMatchObject({
      inputNanoUsd: 6_000_001n,
      outputNanoUsd: 200_000n,
    });
    expect(worstCaseHold(subject({ input_audio: '6' }, heard), 100)).toBeNull();
    expect(worstCaseHold(subject({ input: '1', output: '2' }, heard), 100)).toBeNull();
    expect(worstCaseHold(subject({ audio_second: '100' }, heard), 100)?.totalNanoUsd).toBe(900_000n);
  });

  it('is unknown for a model without a price of a side that will be used', () => {
    expect(worstCaseHold(subject({ output: '1' }, { promptBytes: 1, messages: 1 }), 1)).toBeNull();
    expect(worstCaseHold(subject({ input: '1' }, { promptBytes: 1, messages: 1 }), 1)).toBeNull();
    expect(worstCaseHold(subject({ input: '1' }, { promptBytes: 990, messages: 0 }), 0)?.totalNanoUsd).toBe(1_000_000n);
  });
});

describe('outputTokensFor', () => {
  it('gives the largest output whose hold fits', () => {
    fc.assert(
      fc.property(calls, fc.bigInt(0n, 20_000_000_000n), ({ rates, shape }, remainder) => {
        const call = subject(rates as Record<string, string>, shape);
        const clamp = outputTokensFor(call, remainder);
        const holdOf = (tokens: number) => (worstCaseHold(call, tokens) as { totalNanoUsd: bigint }).totalNanoUsd;
        const fits = clamp === 0 || holdOf(clamp) <= remainder;
        const isMaximal = clamp === limits.maxOutputTokens || holdOf(clamp + 1) > remainder;
        return fits && isMaximal;
      }),
      { numRuns: 500 },
    );
  });

  it('is 0 when the inputs alone do not fit, and when the output has no price', () => {
    expect(outputTokensFor(subject({ input: '1', output: '1' }, { promptBytes: 990, messages: 0 }), 999_999n)).toBe(0);
    expect(outputTokensFor(subject({ input: '1' }, { promptBytes: 990, messages: 0 }), 10_000_000n)).toBe(0);
  });
});
