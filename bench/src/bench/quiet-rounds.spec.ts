import { describe, expect, it } from '@jest/globals';
import { QuietRounds } from './quiet-rounds.js';
import type { CpuTicks } from './stolen-time.js';

const ALL_PER_SECOND = 200;

/** A machine of which that share is stolen in each second in turn; afterwards nothing. */
class Machine {
  seconds = 0;
  private readonly at: CpuTicks = { all: 0, stolen: 0 };

  constructor(private readonly shares: number[]) {}

  rounds(patienceSeconds: number): QuietRounds {
    const parts = {
      ticks: () => ({ ...this.at }),
      sleep: (ms: number) => this.pass(ms / 1_000),
      nowMs: () => this.seconds * 1_000,
    };
    return new QuietRounds(patienceSeconds * 1_000, parts);
  }

  async pass(seconds: number): Promise<number> {
    for (let left = seconds; left > 0; left--) {
      this.at.all += ALL_PER_SECOND;
      this.at.stolen += ALL_PER_SECOND * (this.shares[this.seconds] ?? 0);
      this.seconds += 1;
    }
    return this.seconds;
  }

  /** A round of two seconds, named by its end, with a failure. */
  readonly round = () => this.pass(2);
}
const oneFailed = () => 1;

describe('a round', () => {
  it('is measured once on a machine that is left in peace', async () => {
    const machine = new Machine([]);
    const quiet = machine.rounds(60);
    expect(await quiet.measure(machine.round, oneFailed)).toBe(2);
    expect(await quiet.measure(machine.round, oneFailed)).toBe(4);
    expect(quiet.figures()).toEqual({
      rounds: 2,
      repeated: 0,
      failuresRepeated: 0,
      medianShare: 0,
      shareMax: 0,
      spentSeconds: 0,
    });
  });

  it('is measured again once the host is quiet, and what failed before is counted', async () => {
    const machine = new Machine([0, 0.5, 0.5, 0.5]);
    const quiet = machine.rounds(60);
    // Two seconds measured, two waited until nothing was stolen, one more of quiet, and again.
    expect(await quiet.measure(machine.round, oneFailed)).toBe(7);
    expect(quiet.figures()).toMatchObject({ rounds: 1, repeated: 1, failuresRepeated: 1, shareMax: 0, spentSeconds: 5 });
  });

  it('is the least disturbed of those tried where none was left in peace', async () => {
    const machine = new Machine([0.5, 0.5, 0, 0.1, 0.1, 0, 0.4, 0.4, 0, 0.3, 0.3, 0, 0, 0]);
    const quiet = machine.rounds(60);
    expect(await quiet.measure(machine.round, oneFailed)).toBe(5);
    expect(quiet.figures()).toMatchObject({ repeated: 3, failuresRepeated: 3, shareMax: 0.1 });
  });

  it('is taken as it comes when patience is at an end', async () => {
    const machine = new Machine(Array.from({ length: 100 }, () => 0.2));
    const quiet = machine.rounds(10);
    await quiet.measure(machine.round, oneFailed);
    expect(machine.seconds).toBe(12);
    await quiet.measure(machine.round, oneFailed);
    expect(machine.seconds).toBe(14);
    expect(quiet.figures()).toMatchObject({ rounds: 2, repeated: 1, shareMax: 0.2, spentSeconds: 10 });
  });

  it('is not waited for through all of a busy quarter of an hour', async () => {
    const machine = new Machine(Array.from({ length: 1_000 }, () => 0.2));
    const quiet = machine.rounds(900);
    await quiet.measure(machine.round, oneFailed);
    // Four rounds of 2 s and the three waits between them.
    expect(machine.seconds).toBe(4 * 2 + 3 * 15);
  });

  it('says nothing of what was stolen where the system does not', async () => {
    const quiet = new QuietRounds(0, { ticks: () => null, sleep: async () => undefined, nowMs: () => 0 });
    expect(await quiet.measure(async () => 'measured', oneFailed)).toBe('measured');
    expect(quiet.figures()).toBeNull();
  });
});
