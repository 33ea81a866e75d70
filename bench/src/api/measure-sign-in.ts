import { cpuMicros } from '../bench/cpus.js';
import { percentileOf } from '../bench/percentile-of.js';
import { type RefusalFigures, type SignInFigures, WrongAnswer } from './api.types.js';
import type { DashboardClient } from './dashboard-client.js';

const PATH = '/api/auth/sign-in';
const SIGN_INS = 60;
const FLOOD_MS = 4_000;
/** At once; fewer than are let wait for a hash, so that each wrong password is checked. */
const FLOOD_AT_ONCE = 16;
/** More than a network may send within a minute. */
const TRIES_TO_THROTTLE = 310;
const THROTTLED_NETWORK = '198.51.100.7';
const MICROS_PER_SECOND = 1_000_000;
const NETWORKS_PER_OCTET = 256;

export interface SignInTarget {
  client: DashboardClient;
  credentials: { email: string; password: string };
  /** The control plane's process. */
  pid: number;
}

export async function measureSignIn({ client, credentials, pid }: SignInTarget): Promise<SignInFigures> {
  const times: number[] = [];
  for (let at = 0; at < SIGN_INS; at++) {
    const startedMs = performance.now();
    const { status, text } = await client.send('POST', PATH, { body: credentials, address: networkOf(at) });
    times.push(performance.now() - startedMs);
    if (status !== 200) throw new WrongAnswer(`signing in was answered ${status}: ${text.slice(0, 300)}`);
  }
  let sent = 0;
  const guess = () => ({ email: `nobody-${sent}@example.com`, password: 'something else entirely' });
  const hashed = await flood(pid, async () => {
    sent += 1;
    // Each from a network and for an address of its own: nothing is throttled, every password is checked.
    await refused(client, { body: guess(), address: networkOf(SIGN_INS + sent) }, 401);
  });
  for (let at = 0; at < TRIES_TO_THROTTLE; at++) {
    const { status } = await client.send('POST', PATH, { body: guess(), address: THROTTLED_NETWORK });
    if (status === 429) break;
  }
  const throttled = await flood(pid, () => refused(client, { body: guess(), address: THROTTLED_NETWORK }, 429));
  return { calls: times.length, p50Ms: percentileOf(times, 0.5), p95Ms: percentileOf(times, 0.95), hashed, throttled };
}

async function refused(client: DashboardClient, sent: { body: object; address: string }, wanted: number): Promise<void> {
  const { status, text } = await client.send('POST', PATH, sent);
  if (status !== wanted)
    throw new WrongAnswer(`a sign-in was to be refused with ${wanted}, not ${status}: ${text.slice(0, 300)}`);
}

async function flood(pid: number, send: () => Promise<void>): Promise<RefusalFigures> {
  const startedMs = performance.now();
  const cpuBefore = cpuMicros(pid);
  let refusals = 0;
  const sendOn = async () => {
    while (performance.now() - startedMs < FLOOD_MS) {
      await send();
      refusals += 1;
    }
  };
  await Promise.all(Array.from({ length: FLOOD_AT_ONCE }, sendOn));
  const cpuMicrosEach = (cpuMicros(pid) - cpuBefore) / refusals;
  return {
    perSecond: (refusals * 1_000) / (performance.now() - startedMs),
    cpuMicrosEach,
    perCoreSecond: MICROS_PER_SECOND / cpuMicrosEach,
  };
}

/** An address of a /24 of its own. */
function networkOf(at: number): string {
  return `10.${Math.floor(at / NETWORKS_PER_OCTET) % NETWORKS_PER_OCTET}.${at % NETWORKS_PER_OCTET}.1`;
}
