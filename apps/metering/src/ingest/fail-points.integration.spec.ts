import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { RequestCompleted } from '@tensorloop/contracts/request-completed';
import { METERING_CONSUMER, REQUESTS_STREAM } from '@tensorloop/contracts/subjects';
import { jetstreamManager } from '@tensorloop/messaging/streams';
import { listFailPoints } from '@tensorloop/nest-kit/fail-points';
import { startSource } from '@tensorloop/testing/source-process';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { newEvent, newTenant } from '../testing/events.js';
import { publish, readSums, SettledEars, startWorld, sumsOf, type World } from '../testing/world.js';

const CALLS_PER_WAVE = 40;
const MAIN = join(import.meta.dirname, '../main.ts');
const REDELIVERY_NS = 1_000_000_000;

let world: World;
let stops: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  world = await startWorld();
});
afterEach(async () => {
  await Promise.all(stops.map((stop) => stop()));
  stops = [];
});
afterAll(() => world?.stop());

/** Resolves once it takes messages: until then it may still set the consumer's ack_wait to what it is in production. */
async function spawnMetering(environment: Record<string, string> = {}) {
  const metering = await startSource(MAIN, { ...world.environment, LOG_LEVEL: 'info', ...environment }, 'consuming');
  stops.push(() => metering.stop('SIGKILL'));
  return metering;
}

/** What a dead process had in hand comes back after ack_wait, a minute in production; only that wait is cut short. */
async function hastenRedelivery(): Promise<void> {
  const manager = await jetstreamManager(world.connection);
  await manager.consumers.update(REQUESTS_STREAM, METERING_CONSUMER, { ack_wait: REDELIVERY_NS });
}

const chargeOf = (events: readonly RequestCompleted[]) => events.reduce((sum, event) => sum + BigInt(event.chargeNanoUsd), 0n);

describe.each(listFailPoints('metering'))('metering at %s', (point) => {
  it.each(['kill', 'error'])(
    'told to %s leaves nothing half-booked, and in the end every call is charged once and settled',
    async (action) => {
      const tenant = newTenant();
      const ears = new SettledEars(world, tenant.accountTag);
      const calls = (length: number) => Array.from({ length }, () => newEvent({ tenant, gatewayId: tenant.accountTag }));
      // One call cannot be taken in two batches, the second of which would meet the fail point.
      const [first, second] = [calls(1), calls(CALLS_PER_WAVE)];
      const victim = await spawnMetering({ FAIL_POINTS: `${point}=${action}@2` });
      await publish(world, ...first);
      await waitUntil(() => first.every((event) => ears.has(event.requestId)), { what: 'the first batch' });
      await publish(world, ...second);
      if (action !== 'error') {
        const { child } = victim;
        await waitUntil(() => child.signalCode ?? child.exitCode, { what: `the end at ${point}` });
        const left = await readSums(world, [tenant.accountId]);
        expect(left).toEqual(sumsOf(left.usage, left.calls));
        await spawnMetering();
        await hastenRedelivery();
      }
      const all = [...first, ...second];
      await waitUntil(() => all.every((event) => ears.has(event.requestId)), { what: 'every settle-ack' });
      expect(await readSums(world, [tenant.accountId])).toEqual(sumsOf(chargeOf(all), all.length));
    },
  );
});

describe('two replicas whose clocks are ten seconds apart', () => {
  it('book what gateways of either time send, and quarantine nothing for its time', async () => {
    await Promise.all(['-5000', '5000'].map((CLOCK_SKEW_MS) => spawnMetering({ CLOCK_SKEW_MS })));
    const tenant = newTenant();
    const ears = new SettledEars(world, tenant.accountTag);
    const nowMs = Date.now();
    const events = Array.from({ length: CALLS_PER_WAVE }, (_, index) =>
      newEvent({ tenant, gatewayId: tenant.accountTag, admittedAtMs: nowMs + (index % 2 === 0 ? -5_000 : 5_000) }),
    );
    await publish(world, ...events);
    await waitUntil(() => events.every((event) => ears.has(event.requestId)), {
      what: 'every settle-ack',
    });
    expect(await readSums(world, [tenant.accountId])).toEqual(sumsOf(chargeOf(events), events.length));
  });
});
