import { describe, expect, it } from '@jest/globals';
import { FAULT_KEPT_MS, FAULTS_MAX, RowFaults } from './row-faults.js';

describe('tries of a call that the database refuses', () => {
  it('are counted one by one, each call for itself, until it is forgotten', () => {
    const faults = new RowFaults();
    expect([faults.note('a'), faults.note('a'), faults.note('b'), faults.note('a')]).toEqual([1, 2, 1, 3]);
    faults.forget('a');
    expect(faults.note('a')).toBe(1);
  });

  it('are forgotten after a time: what is refused much later is not refused again', () => {
    let nowMs = 0;
    const faults = new RowFaults(() => nowMs);
    faults.note('a');
    nowMs = FAULT_KEPT_MS;
    expect(faults.note('a')).toBe(1);
  });

  it('of more calls than are remembered come to an end all the same: those that are stay until they were tried often enough', () => {
    const faults = new RowFaults();
    const calls = Array.from({ length: 2 * FAULTS_MAX }, (_, at) => `${at}`);
    const tries = [1, 2, 3].map(() => calls.map((requestId) => faults.note(requestId)));
    const givenUp = calls.filter((_, at) => tries[2]?.[at] === 3);
    expect(givenUp).toHaveLength(FAULTS_MAX);
    for (const requestId of givenUp) faults.forget(requestId);
    const done = new Set(givenUp);
    const rest = calls.filter((requestId) => !done.has(requestId));
    expect([1, 2, 3].map(() => Math.min(...rest.map((requestId) => faults.note(requestId))))).toEqual([1, 2, 3]);
  });
});
