import { describe, expect, it } from '@jest/globals';
import { deploymentSchema } from '@tensorloop/contracts/model-catalogue';
import fc from 'fast-check';
import { type Candidate, chooseDeployment, chooseFirst } from './choice.rules.js';

const DRAWS = 20_000;
/** Of a share p measured in n draws the standard deviation is √(p(1−p)/n) ≤ 0.0036; six of them never happen. */
const SHARE_TOLERANCE = 0.022;

function candidate(id: string, change: Partial<Candidate> & { priority?: number; weight?: number } = {}): Candidate {
  const { priority = 0, weight = 1, ...state } = change;
  const deployment = deploymentSchema.parse({
    id,
    provider: 'openai',
    baseUrl: 'http://localhost/v1',
    upstreamModel: 'm',
    credential: null,
    headTimeoutMs: 1,
    idleTimeoutMs: 1,
    priority,
    weight,
  });
  return { deployment, isClosed: true, isCooling: false, room: 'free', ...state };
}

/** Mulberry32: a seeded source of draws in [0, 1). */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const anyCandidates = fc
  .array(
    fc.record({
      priority: fc.nat(3),
      weight: fc.nat(5),
      isClosed: fc.boolean(),
      isCooling: fc.boolean(),
      room: fc.constantFrom('free' as const, 'queue' as const, 'none' as const),
    }),
    { maxLength: 8 },
  )
  .map((changes) => changes.map((change, index) => candidate(`d${index}`, change)));
const anyDraw = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

describe('the choice of a deployment', () => {
  it('follows the weights', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 5 }), fc.integer(), (weights, seed) => {
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        fc.pre(total > 0);
        const candidates = weights.map((weight, index) => candidate(`d${index}`, { weight }));
        const random = seededRandom(seed);
        const counts = new Map<string, number>();
        for (let draw = 0; draw < DRAWS; draw += 1) {
          const id = chooseDeployment(candidates, random())?.id ?? 'none';
          counts.set(id, (counts.get(id) ?? 0) + 1);
        }
        weights.forEach((weight, index) => {
          const share = (counts.get(`d${index}`) ?? 0) / DRAWS;
          if (weight === 0) expect(share).toBe(0);
          else expect(Math.abs(share - weight / total)).toBeLessThan(SHARE_TOLERANCE);
        });
      }),
      { numRuns: 20 },
    );
  });

  it('is never one that may not be asked, nor one of a higher priority than another that may', () => {
    fc.assert(
      fc.property(anyCandidates, anyDraw, (candidates, draw) => {
        const usable = candidates.filter(
          ({ deployment, isClosed, isCooling, room }) => deployment.weight > 0 && isClosed && !isCooling && room !== 'none',
        );
        const chosen = chooseDeployment(candidates, draw);
        if (usable.length === 0) return expect(chosen).toBeNull();
        expect(usable.map(({ deployment }) => deployment)).toContain(chosen);
        expect(chosen?.priority).toBe(Math.min(...usable.map(({ deployment }) => deployment.priority)));
      }),
    );
  });

  it('prefers a free place to a queue among equals, and queues before it falls back on another priority', () => {
    const queueing = candidate('queueing', { room: 'queue', weight: 1_000 });
    expect(chooseDeployment([queueing, candidate('free')], 0)?.id).toBe('free');
    expect(chooseDeployment([queueing, candidate('fallback', { priority: 1 })], 0)?.id).toBe('queueing');
  });

  it('passes one that asked to be left alone, unless a first attempt has no other', () => {
    const cooling = candidate('cooling', { isCooling: true });
    const fallback = candidate('fallback', { priority: 1 });
    expect(chooseFirst([cooling, fallback], 0)?.id).toBe('fallback');
    expect(chooseFirst([cooling], 0)?.id).toBe('cooling');
    expect(chooseDeployment([cooling], 0)).toBeNull();
    expect(chooseFirst([candidate('open', { isClosed: false }), cooling], 0.99)?.id).toBe('cooling');
    expect(chooseFirst([candidate('open', { isClosed: false })], 0)).toBeNull();
  });
});
