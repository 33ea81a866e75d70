import { setTimeout as delay } from 'node:timers/promises';
import { readJournal } from '@tensorloop/bench/audit/journal-checks';
import type { QuietRounds } from '@tensorloop/bench/bench/quiet-rounds';
import { ChaosUnavailable } from '../chaos-options.js';
import type { Installation } from '../topology/installation.js';
import type { OpenLoad } from './open-load.js';
import { dueWithin, windowOf } from './window.js';

const MS_PER_SECOND = 1_000;
const FIRST_PER_SECOND = 100;
const STEP = 1.35;
const STEPS_MAX = 14;
const STEP_MS = 6_000;
/** What is held for six seconds may be too much for a minute, in which garbage is collected, logs are rewritten and tables grow. */
const CONFIRM_MS = 60_000;
const CONFIRMS_MAX = 4;
const WARM_UP_MS = 8_000;
/** In a row: one may be somebody else's doing, and another that of code that is still being compiled. */
const MISSES_MAX = 3;
const P99_MS_MAX = 400;
const SERVED_SHARE_MIN = 0.97;
/** Seconds of calls that metering may be behind: more than that, and it is not keeping up. */
const BACKLOG_SECONDS_MAX = 2;

export interface SaturationInputs {
  installation: Installation;
  load: OpenLoad;
  quiet: QuietRounds;
  log: (text: string) => void;
}

/**
 * The highest rate, in steps of STEP, that is held for a minute: nobody refused, at a p99 below P99_MS_MAX, and booked as fast as it comes.
 * Everything runs on this machine, this process too, so the figure is this machine's and no other's.
 */
export async function findSaturation({ installation, load, quiet, log }: SaturationInputs): Promise<number> {
  const probe = (rate: number, lastsMs: number) =>
    quiet.measure({
      once: async (watch) => {
        await stopped(installation, load);
        return watch(() => probeRate(installation, load, { rate, lastsMs, log }));
      },
      merge: (kept) => kept,
      rest: () => stopped(installation, load),
    });
  let rate = FIRST_PER_SECOND;
  let misses = 0;
  load.setRate(FIRST_PER_SECOND);
  // Code is compiled, connections are made: what is slow about that is no measure of anything.
  await delay(WARM_UP_MS);
  for (let step = 0; step < STEPS_MAX && misses < MISSES_MAX; step++) {
    if ((await probe(rate, STEP_MS)) === null) misses += 1;
    else {
      misses = 0;
      rate *= STEP;
    }
  }
  for (let confirm = 0; confirm < CONFIRMS_MAX; confirm++) {
    rate /= STEP;
    if (Math.round(rate) < FIRST_PER_SECOND) break;
    const held = await probe(rate, CONFIRM_MS);
    if (held === null) continue;
    await stopped(installation, load);
    return Math.round(held);
  }
  throw new ChaosUnavailable('no rate is held here for a minute: is the machine busy with something else?');
}

interface Probe {
  rate: number;
  lastsMs: number;
  log: (text: string) => void;
}

/** Calls per second that were served at that rate, or null where it was not held. */
async function probeRate(installation: Installation, load: OpenLoad, { rate, lastsMs, log }: Probe): Promise<number | null> {
  const fromMs = performance.now();
  load.setRate(rate);
  await delay(lastsMs);
  const { served, calls, p99Ms } = windowOf(dueWithin(load.take(), { fromMs, toMs: performance.now() }));
  const seconds = lastsMs / MS_PER_SECOND;
  const perSecond = served / seconds;
  const backlog = await unacknowledged(installation);
  log(
    `${Math.round(rate)} calls/s for ${seconds} s: ${Math.round(perSecond)} served, p99 ${p99Ms} ms, ${backlog} not yet booked`,
  );
  const isHeld =
    perSecond >= rate * SERVED_SHARE_MIN &&
    served === calls &&
    (p99Ms ?? 0) <= P99_MS_MAX &&
    backlog <= rate * BACKLOG_SECONDS_MAX;
  return isHeld ? perSecond : null;
}

async function stopped(installation: Installation, load: OpenLoad): Promise<void> {
  load.setRate(0);
  await settled(installation, load);
}

export async function unacknowledged({ gatewayUrls }: Installation): Promise<number> {
  const states = await Promise.all(gatewayUrls.map((url) => readJournal(url)));
  return states.reduce((sum, { entries }) => sum + entries, 0);
}

const SETTLED_POLLS_MAX = 240;
const SETTLED_POLL_MS = 500;

/** Nothing under way any more: the next measurement starts even. */
export async function settled(installation: Installation, load: OpenLoad): Promise<void> {
  for (let polls = 0; polls < SETTLED_POLLS_MAX; polls++) {
    if (load.waiting === 0 && (await unacknowledged(installation)) === 0) break;
    await delay(SETTLED_POLL_MS);
  }
  load.take();
}
