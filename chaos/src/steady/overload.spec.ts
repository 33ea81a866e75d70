import { describe, expect, it } from '@jest/globals';
import type { CallResult } from './open-load.js';
import { judgeOverload, withFaults } from './overload.js';

const SPANS = {
  normal: { fromMs: 0, toMs: 10_000 },
  over: { fromMs: 10_000, toMs: 25_000 },
  after: { fromMs: 25_000, toMs: 50_000 },
};
const EVERY_MS = 100;

/** A call every so often; `at` says how those due at that time went. */
function calls(at: (dueAtMs: number) => Partial<CallResult> = () => ({})): CallResult[] {
  return Array.from({ length: 500 }, (_, index) => {
    const dueAtMs = index * EVERY_MS;
    const isShed = dueAtMs >= SPANS.over.fromMs && dueAtMs < SPANS.over.toMs && index % 3 > 0;
    return {
      dueAtMs,
      latencyMs: 20,
      lateMs: 0,
      status: isShed ? 503 : 200,
      isGivenUp: false,
      hasRetryAfter: isShed,
      ...at(dueAtMs),
    };
  });
}
const subjects = (results: CallResult[]) => judgeOverload(results, SPANS).violations.map(({ subject }) => subject);

describe('an overload', () => {
  it('is sound where the rest is shed and all is normal at once', () => {
    expect(judgeOverload(calls(), SPANS)).toMatchObject({ violations: [], figures: { 'recovery, ms': 500 } });
  });

  it.each([
    [
      'a served call took longer than three times the normal p99',
      { status: 200, latencyMs: 61, hasRetryAfter: false },
      ['p99 of admitted calls, ms'],
    ],
    ['a call was shed that was not told when to come back', { status: 503, hasRetryAfter: false }, ['retry-after']],
    [
      'a call was refused by a limit',
      { status: 429, hasRetryAfter: true },
      ['failed, over', 'broken calls, and answers that are neither 200 nor 503'],
    ],
  ])('is not sound where %s', (_name, change, violated) => {
    // Every served call of a second: more than one in a hundred.
    const isOne = (dueAtMs: number) => dueAtMs >= 12_000 && dueAtMs < 13_000;
    expect(subjects(calls((dueAtMs) => (isOne(dueAtMs) ? change : {})))).toEqual(violated);
  });

  it('is not sound where nothing was shed', () => {
    expect(subjects(calls(() => ({ status: 200, hasRetryAfter: false })))).toEqual(['shed']);
  });

  it('has failed calls that were due in it and hung until long after', () => {
    const hung = (dueAtMs: number) =>
      dueAtMs === 24_000 ? { status: null, isGivenUp: true, latencyMs: 15_000, hasRetryAfter: false } : {};
    expect(subjects(calls(hung))).toEqual(['failed, over']);
  });

  it('is over when the calls due since then go as normal, and those that hang until later do not', () => {
    const hung = (untilMs: number) => (dueAtMs: number) =>
      dueAtMs >= SPANS.over.toMs && dueAtMs < untilMs ? { status: null, isGivenUp: true, latencyMs: 15_000 } : {};
    expect(judgeOverload(calls(hung(28_000)), SPANS).figures).toEqual({ 'recovery, ms': 3_500 });
    expect(subjects(calls(hung(31_000)))).toEqual(['failed, recovering', 'recovery, ms']);
    expect(subjects(calls(hung(51_000)))).toEqual(['failed, recovering', 'failed, after', 'recovery, ms']);
  });

  it('that is measured again keeps what was wrong with it, unless it was only late', () => {
    const late = judgeOverload(
      calls((dueAtMs) => (dueAtMs < 10_000 ? {} : { latencyMs: 61 })),
      SPANS,
    );
    const untold = judgeOverload(
      calls(() => ({ hasRetryAfter: false })),
      SPANS,
    );
    expect(late.violations.map(({ subject }) => subject)).toEqual(['p99 of admitted calls, ms', 'recovery, ms']);
    const broken = judgeOverload(
      calls(() => ({ status: null })),
      SPANS,
    );
    const merged = withFaults(judgeOverload(calls(), SPANS), [late, untold, broken]);
    const kept = ['retry-after', 'broken calls, and answers that are neither 200 nor 503'];
    expect(merged.violations.map(({ subject }) => subject)).toEqual(kept);
  });
});
