import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type CallPlan, callBody, PROBE_KEY, planCall, plannedUsage, REPLAY_KEYS, REPLAY_MODELS } from './call-plan.js';

const row = fc.record({ offsetMs: fc.nat(), contextTokens: fc.nat(20_000), generatedTokens: fc.nat(2_000) });

describe('planCall', () => {
  it('keeps the tokens of the row, with bytes enough for them', () => {
    fc.assert(
      fc.property(row, fc.nat(1_000_000), (traced, index) => {
        const plan = planCall(traced, index, 0.5);
        expect([plan.promptTokens, plan.completionTokens]).toEqual([traced.contextTokens, traced.generatedTokens]);
        expect(Buffer.byteLength(callBody(plan))).toBeGreaterThan(plan.promptTokens);
        expect(plan.maxTokens ?? plan.completionTokens).toBeGreaterThanOrEqual(plan.completionTokens);
        const usage = plannedUsage(plan);
        expect((usage.input ?? 0) + (usage.input_cache_read ?? 0)).toBe(traced.contextTokens);
        expect((usage.output ?? 0) + (usage.output_reasoning ?? 0)).toBe(traced.generatedTokens);
      }),
    );
  });

  it.each([0, 0.25, 0.5, 1])('streams the share asked for: %f', (share) => {
    const streamed = plans(1_000, share).filter((plan) => plan.stream);
    expect(streamed).toHaveLength(1_000 * share);
  });

  it('uses every key and model, streamed and not, with and without usage event, cache, reasoning and limit', () => {
    const all = plans(5_000, 0.5);
    const combinations = new Set(all.map(({ keyIndex, model, stream }) => `${keyIndex} ${model} ${stream}`));
    expect(combinations.size).toBe(REPLAY_KEYS * REPLAY_MODELS.length * 2);
    for (const [name, has] of Object.entries({
      usageEvent: (plan: CallPlan) => plan.includeUsage,
      cache: (plan: CallPlan) => plan.cachedTokens > 0,
      reasoning: (plan: CallPlan) => plan.reasoningTokens > 0,
      limit: (plan: CallPlan) => plan.maxTokens !== null,
    })) {
      for (const stream of [true, ...(name === 'usageEvent' ? [] : [false])]) {
        const some = all.filter((plan) => plan.stream === stream);
        expect([name, stream, new Set(some.map(has)).size]).toEqual([name, stream, 2]);
      }
    }
  });

  it('gives the probe key one call in 25', () => {
    expect(plans(1_000, 0.5).filter((plan) => plan.keyIndex === PROBE_KEY)).toHaveLength(40);
  });
});

function plans(count: number, share: number): CallPlan[] {
  return Array.from({ length: count }, (_, index) =>
    planCall({ offsetMs: 0, contextTokens: 100, generatedTokens: 20 }, index, share),
  );
}
