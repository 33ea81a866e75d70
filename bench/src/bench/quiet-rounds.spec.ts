import { describe, expect, it } from '@jest/globals';
import { QuietRounds, type Watch } from './quiet-rounds.js';
import type { CpuTicks } from './stolen-time.js';

const WANTED_PER_SECOND = 200;
const ROUND_SECONDS = 2;

interface Round {
  endedAtSeconds: number;
  failures: number;
}

/** A machine from which that share is stolen in each second in turn, afterwards nothing. */
class Machine {
  seconds = 0;
  rests = 0;
  private readonly at: CpuTicks = { wanted: 0, stolen: 0 };

  constructor(private readonly shares: number[]) {}

  rounds(patienceSeconds: number): QuietRounds {
    const sleep = (ms: number) => this.pass(ms / 1_000);
    const parts = { ticks: () => ({ ...this.at }), sleep, nowMs: () => this.seconds * 1_000 };
    return new QuietRounds(patienceSeconds * 1_000, parts);
  }

  /** Rounds of two seconds with a failure each. What is stolen in the second behind the load is of no interest. */
  readonly plan = {
    once: async (watch: Watch): Promise<Round> => {
      await watch(() => this.pass(ROUND_SECONDS));
      const endedAtSeconds = this.seconds;
      await this.pass(1);
      return { endedAtSeconds, failures: 1 };
    },
    merge: (kept: Round, others: readonly Round[]): Round => ({
      ...kept,
      failures: others.reduce((sum, { failures }) => sum + failures, kept.failures),
    }),
    rest: async () => {
      this.rests += 1;
    },
  };

  private async pass(seconds: number): Promise<void> {
    for (let left = seconds; left > 0; left--) {
      this.at.wanted += WANTED_PER_SECOND;
      this.at.stolen += WANTED_PER_SECOND * (this.shares[this.seconds] ?? 0);
      this.seconds += 1;
    }
  }
}

describe('a round', () => {
  it('is measured once on a machine that is left in peace while it is watched', async () => {
    const machine = new Machine([0, 0, 0.9]);
    const quiet = machine.rounds(60);
    expect(await quiet.measure(machine.plan)).toEqual({ endedAtSeconds: 2, failures: 1 });
    expect(await quiet.measure(machine.plan)).toEqual({ endedAtSeconds: 5, failures: 1 });
    const nothing = { medianShare: 0, shareMax: 0, repeated: 0, medianShareRepeated: 0, spentSeconds: 0 };
    expect(quiet.figures()).toEqual({ rounds: 2, ...nothing });
    expect(machine.rests).toBe(0);
  });

  it('is measured again after a pause, and what failed before stays failed', async () => {
    const machine = new Machine([0, 0.5]);
    const quiet = machine.rounds(60);
    // Three seconds, four of pause, two more.
    expect(await quiet.measure(machine.plan)).toEqual({ endedAtSeconds: 9, failures: 2 });
    const again = { repeated: 1, medianShareRepeated: 0.25, spentSeconds: 7 };
    expect(quiet.figures()).toEqual({ rounds: 1, medianShare: 0, shareMax: 0, ...again });
    expect(machine.rests).toBe(1);
  });

  it('is the least disturbed of those tried where none was left in peace', async () => {
    const shares = Array.from({ length: 100 }, () => 0.5);
    shares.fill(0.1, 7, 9);
    const machine = new Machine(shares);
    const quiet = machine.rounds(60);
    expect(await quiet.measure(machine.plan)).toEqual({ endedAtSeconds: 9, failures: 3 });
    expect(quiet.figures()).toMatchObject({ repeated: 2, medianShareRepeated: 0.5, shareMax: 0.1, spentSeconds: 18 });
  });

  it('is taken as it comes when patience is at an end', async () => {
    const machine = new Machine(Array.from({ length: 100 }, () => 0.2));
    const quiet = machine.rounds(5);
    await quiet.measure(machine.plan);
    expect(machine.seconds).toBe(3 + 4 + 3);
    await quiet.measure(machine.plan);
    expect(machine.seconds).toBe(3 + 4 + 3 + 3);
    expect(quiet.figures()).toMatchObject({ rounds: 2, repeated: 1, shareMax: 0.2 });
  });

  it('says nothing of what was stolen where the system does not', async () => {
    const quiet = new QuietRounds(60_000, { ticks: () => null, sleep: async () => undefined, nowMs: () => 0 });
    const once = (watch: Watch) => watch(async () => 'measured');
    expect(await quiet.measure({ once, merge: () => 'merged' })).toBe('measured');
    expect(quiet.figures()).toBeNull();
  });
});
