import { setTimeout as delay } from 'node:timers/promises';
import { readJournal } from '@tensorloop/bench/audit/journal-checks';
import { ChaosUnavailable } from '../chaos-options.js';
import type { Installation } from '../topology/installation.js';
import type { OpenLoad } from './open-load.js';
import { dueWithin, windowOf } from './window.js';

const FIRST_PER_SECOND = 100;
const STEP = 1.35;
const STEPS_MAX = 14;
const STEP_MS = 6_000;
const WARM_UP_MS = 8_000;
/** In a row: one may be somebody else's doing, and another that of code that is still being compiled. */
const MISSES_MAX = 3;
const P99_MS_MAX = 400;
const SERVED_SHARE_MIN = 0.97;
/** Seconds of calls that metering may be behind: more than that, and it is not keeping up. */
const BACKLOG_SECONDS_MAX = 2;

/**
 * The highest rate that is held: nearly all of it served, at a p99 below P99_MS_MAX, and booked as fast as it comes. Everything runs on
 * this machine, this process too, so the figure is this machine's and no other's.
 */
export async function findSaturation(installation: Installation, load: OpenLoad, log: (text: string) => void): Promise<number> {
  let held = 0;
  let rate = FIRST_PER_SECOND;
  let misses = 0;
  load.setRate(FIRST_PER_SECOND);
  // Code is compiled, connections are made: what is slow about that is no measure of anything.
  await delay(WARM_UP_MS);
  for (let step = 0; step < STEPS_MAX && misses < MISSES_MAX; step++) {
    const fromMs = performance.now();
    load.setRate(rate);
    await delay(STEP_MS);
    const { served, calls, p99Ms } = windowOf(dueWithin(load.take(), { fromMs, toMs: performance.now() }));
    const perSecond = served / (STEP_MS / 1_000);
    const backlog = await unacknowledged(installation);
    log(`${Math.round(rate)} calls/s: ${Math.round(perSecond)} served, p99 ${p99Ms} ms, ${backlog} not yet booked`);
    const isHeld =
      perSecond >= rate * SERVED_SHARE_MIN &&
      served === calls &&
      (p99Ms ?? 0) <= P99_MS_MAX &&
      backlog <= rate * BACKLOG_SECONDS_MAX;
    misses = isHeld ? 0 : misses + 1;
    if (!isHeld) continue;
    held = perSecond;
    rate *= STEP;
  }
  load.setRate(0);
  await settled(installation, load);
  if (held === 0)
    throw new ChaosUnavailable(`not even ${FIRST_PER_SECOND} calls/s are held here: is the machine busy with something else?`);
  return Math.round(held);
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
