import { setTimeout as delay } from 'node:timers/promises';
import type { Violation } from '../oracle/violation.js';
import type { OpenLoad } from './open-load.js';
import type { SteadyReport } from './steady.types.js';
import { windowOf } from './window.js';

const NORMAL_SHARE = 0.7;
const OVERLOAD_FACTOR = 3;
const NORMAL_MS = 10_000;
const OVERLOAD_MS = 15_000;
const AFTER_MS = 15_000;
const STEP_MS = 500;
const P99_FACTOR_MAX = 3;
const RECOVER_MS_MAX = 5_000;

export interface OverloadInputs {
  load: OpenLoad;
  saturationPerSecond: number;
  log: (text: string) => void;
}

/** Three times what can be served: the rest is told to come back, those admitted hardly notice, and it is over when it is over. */
export async function overload(inputs: OverloadInputs): Promise<Pick<SteadyReport, 'figures' | 'windows' | 'violations'>> {
  const { load, saturationPerSecond, log } = inputs;
  const stretch = async (name: string, perSecond: number, lastsMs: number) => {
    load.take();
    load.setRate(perSecond);
    await delay(lastsMs);
    const window = windowOf(load.take());
    log(`${name}, ${Math.round(perSecond)} calls/s: ${JSON.stringify(window)}`);
    return window;
  };
  const normal = await stretch('normal', saturationPerSecond * NORMAL_SHARE, NORMAL_MS);
  const over = await stretch('overload', saturationPerSecond * OVERLOAD_FACTOR, OVERLOAD_MS);
  const p99Max = (normal.p99Ms ?? 0) * P99_FACTOR_MAX;
  const recoverMs = await recovery(load, saturationPerSecond * NORMAL_SHARE, p99Max);
  const after = await stretch('after', saturationPerSecond * NORMAL_SHARE, NORMAL_MS);
  const violations: Violation[] = [];
  const demand = (subject: string, isMet: boolean, [expected, actual]: [string, unknown]) => {
    if (!isMet) violations.push({ kind: 'overload', subject, expected, actual: String(actual) });
  };
  demand('shed', over.shed > 0, ['some calls shed', over.shed]);
  demand('failed', over.failed === 0, ['0 failed otherwise', over.failed]);
  demand('retry-after', over.withRetryAfter === over.shed, [String(over.shed), over.withRetryAfter]);
  demand('p99 of admitted calls, ms', (over.p99Ms ?? Number.POSITIVE_INFINITY) <= p99Max, [`at most ${p99Max}`, over.p99Ms]);
  demand('recovery, ms', recoverMs !== null && recoverMs <= RECOVER_MS_MAX, [`at most ${RECOVER_MS_MAX}`, recoverMs]);
  return { figures: { 'recovery, ms': recoverMs }, windows: { normal, over, after }, violations };
}

/** From the end of the overload to the first half second in which all is as normal. Null = not within AFTER_MS. */
async function recovery(load: OpenLoad, perSecond: number, p99Max: number): Promise<number | null> {
  load.take();
  load.setRate(perSecond);
  for (let elapsedMs = STEP_MS; elapsedMs <= AFTER_MS; elapsedMs += STEP_MS) {
    await delay(STEP_MS);
    const { calls, served, p99Ms } = windowOf(load.take());
    if (calls > 0 && served === calls && (p99Ms ?? Number.POSITIVE_INFINITY) <= p99Max) return elapsedMs;
  }
  return null;
}
