import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CallExit, type ExitSignal, isFree } from './call-exit.js';

const SIGNALS: ExitSignal[] = ['answer_complete', 'upstream_failed', 'upstream_cut', 'drain_capped', 'gateway_ending'];

describe('the exit of a call', () => {
  it('is passed exactly once, whatever happens in whatever order', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.constant('client_left' as const), fc.constantFrom(...SIGNALS)), { maxLength: 12 }),
        (happenings) => {
          const exit = new CallExit();
          const outcomes = happenings.flatMap((happening) => {
            if (happening === 'client_left') exit.clientLeft();
            const outcome = happening === 'client_left' ? null : exit.signal(happening);
            return outcome === null ? [] : [outcome];
          });
          const first = happenings.findIndex((happening) => happening !== 'client_left');
          expect(outcomes).toHaveLength(first === -1 ? 0 : 1);
          expect(exit.outcome).toBe(outcomes[0] ?? null);
        },
      ),
    );
  });

  it.each([
    ['answer_complete', false, 'completed'],
    ['answer_complete', true, 'client_aborted'],
    ['upstream_failed', false, 'upstream_error'],
    ['upstream_failed', true, 'upstream_error'],
    ['upstream_cut', true, 'upstream_cut'],
    ['drain_capped', true, 'drain_capped'],
    ['gateway_ending', false, 'gateway_died'],
  ] as const)('%s with the client gone = %s is %s', (signal, isClientGone, outcome) => {
    const exit = new CallExit();
    if (isClientGone) exit.clientLeft();
    expect(exit.signal(signal)).toBe(outcome);
  });

  it('is free for failures of the upstream and for nothing else (TL-9)', () => {
    const free = (
      ['completed', 'client_aborted', 'upstream_error', 'upstream_cut', 'drain_capped', 'gateway_died'] as const
    ).filter(isFree);
    expect(free).toEqual(['upstream_error', 'upstream_cut']);
  });
});
