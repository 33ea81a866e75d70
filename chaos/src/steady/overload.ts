import { setTimeout as delay } from 'node:timers/promises';
import type { QuietRounds } from '@tensorloop/bench/bench/quiet-rounds';
import type { Violation } from '../oracle/violation.js';
import type { Installation } from '../topology/installation.js';
import type { CallResult, OpenLoad } from './open-load.js';
import { settled } from './saturation.js';
import type { SteadyReport } from './steady.types.js';
import { dueWithin, type Span, windowOf } from './window.js';

const NORMAL_SHARE = 0.7;
const OVERLOAD_FACTOR = 3;
const NORMAL_MS = 10_000;
const OVERLOAD_MS = 15_000;
const AFTER_MS = 15_000;
const STEP_MS = 500;
/** A gateway's clients keep their connections, so those that call too much are connected already; what a storm of new ones costs is another question. */
const CLIENTS_PER_GATEWAY = 1_000;
const P99_FACTOR_MAX = 3;
const RETRY_AFTER = 'retry-after';
const WRONG_ANSWERS = 'broken calls, and answers that are neither 200 nor 503';
const FAULTS: ReadonlySet<string> = new Set([RETRY_AFTER, WRONG_ANSWERS]);
const RECOVER_MS_MAX = 5_000;

export interface OverloadInputs {
  installation: Installation;
  load: OpenLoad;
  quiet: QuietRounds;
  saturationPerSecond: number;
  log: (text: string) => void;
}

export type Judged = Pick<SteadyReport, 'figures' | 'windows' | 'violations'>;

/** Three times what can be served: the rest is told to come back, those admitted hardly notice, and it is over when it is over. */
export async function overload(inputs: OverloadInputs): Promise<Judged> {
  const { installation, load, quiet, log } = inputs;
  const judged = await quiet.measure({
    once: (watch) => watch(() => overloadOnce(inputs)),
    merge: withFaults,
    rest: async () => {
      await settled(installation, load);
      load.disconnect();
    },
  });
  for (const [name, window] of Object.entries(judged.windows)) log(`${name}: ${JSON.stringify(window)}`);
  return judged;
}

/** What is late, or given up as too late, may be so because others had the cores; a wrong answer is not. */
export function withFaults(kept: Judged, others: readonly Judged[]): Judged {
  const faults = others.flatMap(({ violations }) => violations).filter(({ subject }) => FAULTS.has(subject));
  return { ...kept, violations: [...kept.violations, ...faults] };
}

async function overloadOnce({ load, saturationPerSecond, log }: OverloadInputs): Promise<Judged> {
  const stretch = async (name: string, perSecond: number, lastsMs: number): Promise<Span> => {
    const fromMs = performance.now();
    log(`${name}: ${Math.round(perSecond)} calls/s`);
    load.setRate(perSecond);
    await delay(lastsMs);
    return { fromMs, toMs: performance.now() };
  };
  load.take();
  await load.connect(CLIENTS_PER_GATEWAY);
  const normal = await stretch('normal', saturationPerSecond * NORMAL_SHARE, NORMAL_MS);
  const over = await stretch('overload', saturationPerSecond * OVERLOAD_FACTOR, OVERLOAD_MS);
  const after = await stretch('after', saturationPerSecond * NORMAL_SHARE, AFTER_MS + NORMAL_MS);
  await load.drain();
  const results = load.take();
  for (const line of timeline(results, over)) log(line);
  return judgeOverload(results, { normal, over, after });
}

/** How the overload went on: its beginning, which nobody saw coming, decides its p99. */
function timeline(results: readonly CallResult[], { fromMs, toMs }: Span): string[] {
  const lines: string[] = [];
  for (let atMs = fromMs; atMs < toMs; atMs += STEP_MS) {
    const { served, shed, p50Ms, p99Ms } = windowOf(dueWithin(results, { fromMs: atMs, toMs: Math.min(toMs, atMs + STEP_MS) }));
    lines.push(`+${Math.round(atMs - fromMs)} ms: ${served} served, ${shed} shed, p50 ${p50Ms} ms, p99 ${p99Ms} ms`);
  }
  return lines;
}

/** Each call belongs to the stretch in which it was due: one that hung belongs to the overload, not to whenever it gave up. */
export function judgeOverload(results: readonly CallResult[], spans: Record<'normal' | 'over' | 'after', Span>): Judged {
  const normal = windowOf(dueWithin(results, spans.normal));
  const over = windowOf(dueWithin(results, spans.over));
  const after = windowOf(dueWithin(results, { ...spans.after, fromMs: spans.after.toMs - NORMAL_MS }));
  const p99Max = (normal.p99Ms ?? 0) * P99_FACTOR_MAX;
  const recoverMs = recovery(results, spans.after.fromMs, p99Max);
  const violations: Violation[] = [];
  const demand = (subject: string, isMet: boolean, [expected, actual]: [string, unknown]) => {
    if (!isMet) violations.push({ kind: 'overload', subject, expected, actual: String(actual) });
  };
  demand('shed', over.shed > 0, ['some calls shed', over.shed]);
  // Between the overload's end and the last stretch calls may be slow and be shed, but not fail.
  const recovering = windowOf(dueWithin(results, { fromMs: spans.after.fromMs, toMs: spans.after.toMs - NORMAL_MS }));
  for (const [name, window] of Object.entries({ normal, over, recovering, after }))
    demand(`failed, ${name}`, window.failed === 0, ['0 failed otherwise', window.failed]);
  const wrong = results.filter(({ status, isGivenUp }) => !isGivenUp && status !== 200 && status !== 503).length;
  demand(WRONG_ANSWERS, wrong === 0, ['0', wrong]);
  demand(RETRY_AFTER, over.withRetryAfter === over.shed, [String(over.shed), over.withRetryAfter]);
  demand('p99 of admitted calls, ms', (over.p99Ms ?? Number.POSITIVE_INFINITY) <= p99Max, [`at most ${p99Max}`, over.p99Ms]);
  demand('recovery, ms', recoverMs !== null && recoverMs <= RECOVER_MS_MAX, [`at most ${RECOVER_MS_MAX}`, recoverMs]);
  return { figures: { 'recovery, ms': recoverMs }, windows: { normal, over, after }, violations };
}

/** From the end of the overload to the first half second of which every call went as normal. Null = not within AFTER_MS. */
function recovery(results: readonly CallResult[], fromMs: number, p99Max: number): number | null {
  for (let elapsedMs = STEP_MS; elapsedMs <= AFTER_MS; elapsedMs += STEP_MS) {
    const toMs = fromMs + elapsedMs;
    const { calls, served, p99Ms } = windowOf(dueWithin(results, { fromMs: toMs - STEP_MS, toMs }));
    if (calls > 0 && served === calls && (p99Ms ?? Number.POSITIVE_INFINITY) <= p99Max) return elapsedMs;
  }
  return null;
}
