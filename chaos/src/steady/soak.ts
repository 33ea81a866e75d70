import { setTimeout as delay } from 'node:timers/promises';
import type { Violation } from '../oracle/violation.js';
import type { Installation } from '../topology/installation.js';
import { SERVERS, SERVICES } from '../topology/parts.js';
import type { OpenLoad } from './open-load.js';
import { type ProcessSample, sampleProcess } from './process-sample.js';
import type { SteadyReport } from './steady.types.js';
import { dueWithin, median, type Span, type Window, windowOf } from './window.js';

const LOAD_SHARE = 0.7;
const SAMPLE_MS = 10_000;
/** Caches fill, code is compiled, connections are made: what comes before this share of the time is no steady state. */
const WARM_UP_SHARE = 0.25;
/** The last quarter against the second: more than that has grown. */
const GROWTH_MAX = 1.2;
const P99_GROWTH_MAX = 1.5;
/**
 * Connections come and go with every peak, and are kept for up to 72 s by the gateway and 60 s to the provider. Before and after
 * the load there is rest for longer than that: what is open then is no connection of a call, and what has grown has leaked.
 */
const REST_MS = 90_000;
/** Pools, caches and files of the journal that the first load opens for good. */
const RESTING_DESCRIPTORS_GROWTH_MAX = 20;

type Part = (typeof SERVICES)[number] | (typeof SERVERS)[number];

export interface SoakInputs {
  installation: Installation;
  load: OpenLoad;
  saturationPerSecond: number;
  durationMs: number;
  log: (text: string) => void;
}

/** Faults off, 70 % of what is held at most: nothing fails, nothing grows. */
export async function soak(inputs: SoakInputs): Promise<Pick<SteadyReport, 'figures' | 'windows' | 'violations'>> {
  const { installation, load, saturationPerSecond, durationMs, log } = inputs;
  const spans: Span[] = [];
  const samples = new Map<Part, ProcessSample[]>([...SERVICES, 'redis' as const, 'nats' as const].map((name) => [name, []]));
  const rate = Math.round(saturationPerSecond * LOAD_SHARE);
  const names = [...samples.keys()];
  const before = await atRest(inputs, names);
  log(`soak: ${rate} calls/s for ${Math.round(durationMs / 60_000)} minutes`);
  load.take();
  load.setRate(rate);
  for (let elapsedMs = 0; elapsedMs < durationMs; elapsedMs += SAMPLE_MS) {
    const fromMs = performance.now();
    await delay(SAMPLE_MS);
    const span = { fromMs, toMs: performance.now() };
    spans.push(span);
    const window = windowOf(dueWithin(load.results, span));
    for (const [name, list] of samples) {
      const sample = sampleProcess(installation.part(name).pid);
      if (sample) list.push(sample);
    }
    const { served, shed, failed, p50Ms, p99Ms } = window;
    log(`${served} served, ${shed} shed, ${failed} failed, p50 ${p50Ms} ms, p99 ${p99Ms} ms`);
  }
  const after = await atRest(inputs, names);
  const results = load.take();
  const judged = judge(
    spans.map((span) => windowOf(dueWithin(results, span))),
    samples,
  );
  const leaks = judgeRest(before, after);
  return {
    ...judged,
    figures: { ...judged.figures, ...leaks.figures },
    violations: [...judged.violations, ...leaks.violations],
  };
}

/** Descriptors of each part once every connection of a call has had time to close. */
async function atRest({ installation, load, log }: SoakInputs, names: readonly Part[]): Promise<Map<Part, number>> {
  await load.drain();
  log(`rest: ${REST_MS / 1_000} s`);
  await delay(REST_MS);
  return new Map(names.map((name) => [name, sampleProcess(installation.part(name).pid)?.descriptors ?? 0]));
}

export function judgeRest(
  before: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, number>,
): Pick<SteadyReport, 'figures' | 'violations'> {
  const figures: SteadyReport['figures'] = {};
  const violations: Violation[] = [];
  for (const [name, count] of before) {
    const now = after.get(name) ?? 0;
    figures[`${name} descriptors at rest, before`] = count;
    figures[`${name} descriptors at rest, after`] = now;
    const most = count + RESTING_DESCRIPTORS_GROWTH_MAX;
    const subject = `${name} descriptors at rest`;
    if (now > most) violations.push({ kind: 'soak', subject, expected: `at most ${most}`, actual: String(now) });
  }
  return { figures, violations };
}

function judge(
  windows: Window[],
  samples: Map<Part, ProcessSample[]>,
): Pick<SteadyReport, 'figures' | 'windows' | 'violations'> {
  const violations: Violation[] = [];
  const figures: SteadyReport['figures'] = {};
  const sumOf = (read: (window: Window) => number) => windows.reduce((sum, window) => sum + read(window), 0);
  figures.shed = sumOf(({ shed }) => shed);
  figures.failed = sumOf(({ failed }) => failed);
  if (figures.shed + figures.failed > 0) {
    const actual = `${figures.shed} shed, ${figures.failed} failed`;
    violations.push({ kind: 'soak', subject: 'calls', expected: 'all served', actual });
  }
  const grows = (subject: string, { early, late }: Quarters, limit: (early: number) => number) => {
    figures[`${subject}, second quarter`] = Math.round(early);
    figures[`${subject}, last quarter`] = Math.round(late);
    if (late > limit(early))
      violations.push({
        kind: 'soak',
        subject,
        expected: `at most ${Math.round(limit(early))}`,
        actual: String(Math.round(late)),
      });
  };
  grows(
    'p99 ms',
    quarters(
      windows.map(({ p99Ms }) => p99Ms ?? 0),
      median,
    ),
    (early) => early * P99_GROWTH_MAX + 5,
  );
  for (const [name, list] of samples) {
    const mebibytes = list.map(({ residentBytes }) => residentBytes / 1024 ** 2);
    // Redis and NATS hold the calls themselves: the stream's index and the log of the day grow with what they were given.
    if (name !== 'redis' && name !== 'nats') grows(`${name} MiB`, quarters(mebibytes, median), (early) => early * GROWTH_MAX);
    // For people to read: whether any of it stays is judged at rest.
    const descriptors = list.map((sample) => sample.descriptors);
    figures[`${name} descriptors at most`] = Math.max(0, ...descriptors);
  }
  const merged = windows.slice(Math.floor(windows.length * WARM_UP_SHARE));
  return { figures, windows: Object.fromEntries(merged.map((window, index) => [`sample ${index + 1}`, window])), violations };
}

/** One figure of the second quarter, and the same of the last. */
interface Quarters {
  early: number;
  late: number;
}

function quarters(values: number[], of: (values: readonly number[]) => number): Quarters {
  const quarter = Math.max(1, Math.floor(values.length / 4));
  return { early: of(values.slice(quarter, 2 * quarter)), late: of(values.slice(-quarter)) };
}
