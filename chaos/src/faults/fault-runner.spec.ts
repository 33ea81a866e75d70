import { describe, expect, it } from '@jest/globals';
import { type FaultContext, FaultHadNoEffect, type FaultKind } from './fault.types.js';
import { FaultRunner } from './fault-runner.js';

/** A fault of which this comes. */
function kind(name: string, inject: FaultKind['inject']): FaultKind {
  return { kind: name, weight: 1, draw: () => ({ target: 'nats', holdMs: 0, detail: {} }), locks: () => [], inject };
}
const KINDS = [
  kind('harms', async () => async () => undefined),
  kind('harms nothing', async () => {
    throw new FaultHadNoEffect('not passed');
  }),
  kind('fails', async () => {
    throw new Error('did not come up');
  }),
];

describe('what became of a fault', () => {
  it('is told apart: it harmed, it came to nothing, it could not be carried out', async () => {
    const runner = new FaultRunner({ log: () => undefined } as unknown as FaultContext, KINDS);
    const plans = KINDS.map(({ kind: name }, index) => ({
      id: index + 1,
      atMs: 0,
      kind: name,
      target: 'nats',
      holdMs: 0,
      detail: {},
    }));
    await runner.run(plans, { endsAfterMs: 60_000 });
    expect(runner.outcomes.map(({ problem, isIdle }) => [problem, isIdle])).toEqual([
      [null, false],
      ['not passed', true],
      ['did not come up', false],
    ]);
  });
});
