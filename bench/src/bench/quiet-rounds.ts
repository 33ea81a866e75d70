import { setTimeout as delay } from 'node:timers/promises';
import type { StolenFigures } from './bench.types.js';
import { percentileOf } from './percentile-of.js';
import { type CpuTicks, readCpuTicks, stolenShare } from './stolen-time.js';

/** With more than this of all cores' time taken by others, a round says more of them than of its target. */
export const STOLEN_SHARE_MAX = 0.03;
const ATTEMPTS_MAX = 4;
const SAMPLE_MS = 1_000;
/** Before one round: a host that is busy for minutes would take all patience at once. */
const WAIT_MS_MAX = 15_000;
const MS_PER_SECOND = 1_000;

interface Machine {
  ticks: () => CpuTicks | null;
  sleep: (ms: number) => Promise<unknown>;
  nowMs: () => number;
}

const THIS_MACHINE: Machine = { ticks: readCpuTicks, sleep: delay, nowMs: () => performance.now() };

/**
 * Measures while the host of this virtual machine leaves it its cores. A round is judged by what was stolen from it, never by what it
 * measured, and each target's rounds alike; what was measured again is counted, with its failures.
 */
export class QuietRounds {
  private readonly shares: number[] = [];
  private spentMs = 0;
  private repeated = 0;
  private failuresRepeated = 0;

  /** `patienceMs`: what all waiting and all repeating may take together; behind it rounds are taken as they come. */
  constructor(
    private readonly patienceMs: number,
    private readonly machine: Machine = THIS_MACHINE,
  ) {}

  /** The first round that was left in peace, else the one of which least was stolen. */
  async measure<Round>(once: () => Promise<Round>, failuresOf: (round: Round) => number): Promise<Round> {
    const { ticks, nowMs } = this.machine;
    const tried: { round: Round; share: number | null }[] = [];
    for (;;) {
      const startedMs = nowMs();
      const before = ticks();
      const round = await once();
      const share = stolenShare(before, ticks());
      tried.push({ round, share });
      if ((share ?? 0) <= STOLEN_SHARE_MAX || tried.length === ATTEMPTS_MAX || this.spentMs >= this.patienceMs) break;
      this.spentMs += nowMs() - startedMs;
      await this.waitForQuiet();
    }
    const [kept, ...others] = tried.toSorted((one, other) => (one.share ?? 0) - (other.share ?? 0));
    if (kept === undefined) throw new Error('a round is always tried');
    if (kept.share !== null) this.shares.push(kept.share);
    this.repeated += others.length;
    this.failuresRepeated += others.reduce((sum, { round }) => sum + failuresOf(round), 0);
    return kept.round;
  }

  /** Null where the system does not say what is stolen. */
  figures(): StolenFigures | null {
    if (this.shares.length === 0) return null;
    return {
      rounds: this.shares.length,
      repeated: this.repeated,
      failuresRepeated: this.failuresRepeated,
      medianShare: percentileOf(this.shares, 0.5),
      shareMax: Math.max(...this.shares),
      spentSeconds: Math.round(this.spentMs / MS_PER_SECOND),
    };
  }

  private async waitForQuiet(): Promise<void> {
    const { ticks, sleep, nowMs } = this.machine;
    const sinceMs = nowMs();
    while (this.spentMs < this.patienceMs && nowMs() - sinceMs < WAIT_MS_MAX) {
      const startedMs = nowMs();
      const before = ticks();
      await sleep(SAMPLE_MS);
      this.spentMs += nowMs() - startedMs;
      if ((stolenShare(before, ticks()) ?? 0) <= STOLEN_SHARE_MAX) return;
    }
  }
}
