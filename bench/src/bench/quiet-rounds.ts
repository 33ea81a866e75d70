import { setTimeout as delay } from 'node:timers/promises';
import type { StolenFigures } from './bench.types.js';
import { percentileOf } from './percentile-of.js';
import { type CpuTicks, readCpuTicks, stolenShare } from './stolen-time.js';

/** With more than this of the time that it wanted given to others, a round says more of them than of its target. */
export const STOLEN_SHARE_MAX = 0.05;
const ATTEMPTS_MAX = 3;
/** Times the attempts so far. Whether the host is busy shows only while something runs here, so it is waited for blindly. */
const PAUSE_MS = 4_000;
const MS_PER_SECOND = 1_000;

interface Machine {
  ticks: () => CpuTicks | null;
  sleep: (ms: number) => Promise<unknown>;
  nowMs: () => number;
}

const THIS_MACHINE: Machine = { ticks: readCpuTicks, sleep: delay, nowMs: () => performance.now() };

/** Runs what is to be watched; a round also does what says nothing of its target, such as waiting for its calls to be booked. */
export type Watch = <Result>(load: () => Promise<Result>) => Promise<Result>;

export interface RoundPlan<Round> {
  once: (watch: Watch) => Promise<Round>;
  /** What has to be kept of those that are not: failures are failures, whoever had the cores. */
  merge: (kept: Round, others: readonly Round[]) => Round;
  /** Before another attempt: it has to start as even as the first. */
  rest?: () => Promise<unknown>;
}

/**
 * Measures while the host of this virtual machine leaves it its cores. A round is judged by what was stolen from it, never by what it
 * measured, and each target's rounds alike.
 */
export class QuietRounds {
  private readonly shares: number[] = [];
  private readonly sharesRepeated: number[] = [];
  private spentMs = 0;

  /** `patienceMs`: what all pauses and all further attempts may take together; behind it rounds are taken as they come. */
  constructor(
    private readonly patienceMs: number,
    private readonly machine: Machine = THIS_MACHINE,
  ) {}

  /** The first round that was left in peace, else the one of which least was stolen. */
  async measure<Round>({ once, merge, rest }: RoundPlan<Round>): Promise<Round> {
    const tried = [await this.attempt(once)];
    while ((tried.at(-1)?.share ?? 0) > STOLEN_SHARE_MAX && tried.length < ATTEMPTS_MAX && this.spentMs < this.patienceMs) {
      const { sleep, nowMs } = this.machine;
      const startedMs = nowMs();
      await rest?.();
      await sleep(PAUSE_MS * tried.length);
      tried.push(await this.attempt(once));
      this.spentMs += nowMs() - startedMs;
    }
    const [kept, ...others] = tried.toSorted((one, other) => (one.share ?? 0) - (other.share ?? 0));
    if (kept === undefined) throw new Error('a round is always tried');
    if (kept.share !== null) this.shares.push(kept.share);
    for (const { share } of others) this.sharesRepeated.push(share as number);
    return others.length === 0
      ? kept.round
      : merge(
          kept.round,
          others.map(({ round }) => round),
        );
  }

  /** Null where the system does not say what is stolen. */
  figures(): StolenFigures | null {
    if (this.shares.length === 0) return null;
    return {
      rounds: this.shares.length,
      medianShare: percentileOf(this.shares, 0.5),
      shareMax: Math.max(...this.shares),
      repeated: this.sharesRepeated.length,
      medianShareRepeated: percentileOf(this.sharesRepeated, 0.5),
      spentSeconds: Math.round(this.spentMs / MS_PER_SECOND),
    };
  }

  private async attempt<Round>(once: RoundPlan<Round>['once']): Promise<{ round: Round; share: number | null }> {
    const { ticks } = this.machine;
    let share: number | null = null;
    const round = await once(async (load) => {
      const before = ticks();
      const result = await load();
      share = stolenShare(before, ticks());
      return result;
    });
    return { round, share };
  }
}
