import type { ChildProcess } from 'node:child_process';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { RequestCompleted } from '@tensorloop/contracts/request-completed';
import { dayScope, windowScope } from '@tensorloop/contracts/settle-ack';
import { METERING_CONSUMER, REQUESTS_STREAM } from '@tensorloop/contracts/subjects';
import { jetstreamManager } from '@tensorloop/messaging/streams';
import { type SourceProcess, startSource } from '@tensorloop/testing/source-process';
import { waitUntil } from '@tensorloop/testing/wait-until';
import fc from 'fast-check';
import { newEvent, newTenant, type Tenant } from '../testing/events.js';
import {
  publish,
  type RunningMetering,
  readSums,
  SettledEars,
  startMetering,
  startWorld,
  sumsOf,
  type World,
} from '../testing/world.js';

const TEST_TIMEOUT_MS = 120_000;

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

async function startReplica(): Promise<RunningMetering> {
  const replica = await startMetering(world);
  stops.push(() => replica.app.close());
  return replica;
}

/** A metering service as a process of its own. */
async function spawnReplica(): Promise<SourceProcess> {
  const entry = path.join(import.meta.dirname, '../main.ts');
  const replica = await startSource(entry, { ...world.environment, LOG_LEVEL: 'info' }, 'listening');
  stops.push(() => replica.stop('SIGKILL'));
  return replica;
}

async function backlog(): Promise<number> {
  const info = await (await jetstreamManager(world.connection)).consumers.info(REQUESTS_STREAM, METERING_CONSUMER);
  return info.num_pending + info.num_ack_pending;
}

const drained = () => waitUntil(async () => (await backlog()) === 0, { timeoutMs: 60_000, what: 'an empty backlog' });

const newTenants = (): Tenant[] => Array.from({ length: 7 }, () => newTenant());
const gateways = ['gateway-a', 'gateway-b', 'gateway-c'];

/** Random calls with a seed, so that a failure can be seen again. */
function randomCalls(tenants: readonly Tenant[], count: number, seed: number): RequestCompleted[] {
  const call = fc
    .record({
      tenant: fc.constantFrom(...tenants),
      gatewayId: fc.constantFrom(...gateways),
      usage: fc.record({
        input: fc.nat(20_000),
        output: fc.nat(4_000),
        input_cache_read: fc.nat(1_000),
        output_reasoning: fc.nat(500),
      }),
      agoMs: fc.nat(5_400_000),
    })
    .map(({ tenant, gatewayId, usage, agoMs }) =>
      newEvent({
        tenant: { ...tenant, mintedAtMs: tenant.mintedAtMs - 86_400_000 },
        gatewayId,
        usage,
        admittedAtMs: Date.now() - agoMs,
      }),
    );
  return fc.sample(call, { numRuns: count, seed });
}

/** What every stored sum must be, from the events themselves. */
async function expectExact(tenants: readonly Tenant[], events: readonly RequestCompleted[]): Promise<void> {
  for (const tenant of tenants) {
    const own = events.filter((event) => event.accountId === tenant.accountId);
    const charge = own.reduce((sum, event) => sum + BigInt(event.chargeNanoUsd), 0n);
    expect(await readSums(world, [tenant.accountId])).toEqual(sumsOf(charge, own.length));
  }
}

describe('two replicas on one consumer', () => {
  it(
    'book 2,000 events with duplicates and poison exactly once, and settle each at its own gateway',
    async () => {
      const tenants = newTenants();
      const events = randomCalls(tenants, 2_000, 1);
      const ears = new Map(gateways.map((gatewayId) => [gatewayId, new SettledEars(world, gatewayId)]));
      const duplicates = events.filter((_, index) => index % 4 === 0);
      const altered = events
        .filter((_, index) => index % 40 === 0)
        .map((event) => ({ ...event, latencyMs: event.latencyMs + 1 }));
      const poison = events
        .slice(0, 3)
        .map((event) => ({ ...newEvent({ tenant: tenants[0] as Tenant, gatewayId: event.gatewayId }), httpStatus: 2 ** 40 }));
      const garbage = Array.from({ length: 20 }, (_, index) => `garbage ${index}`);
      await Promise.all([startReplica(), startReplica()]);
      await publish(world, ...events.slice(0, 1_000), ...garbage, ...poison);
      await publish(world, ...events.slice(1_000), ...duplicates, ...altered);
      await drained();
      await expectExact(tenants, events);
      const all = [...events, ...poison];
      await waitUntil(() => all.every((event) => ears.get(event.gatewayId)?.has(event.requestId)), {
        what: 'every settle-ack',
      });
      const [quarantine] = await world.database.query(
        `SELECT count(*) FILTER (WHERE reason = 'invalid')::int AS invalid, count(*) FILTER (WHERE reason = 'payload_mismatch')::int AS mismatch,
           count(*) FILTER (WHERE reason = 'unbookable')::int AS unbookable, count(*)::int AS total FROM metering.quarantine`,
      );
      expect(quarantine).toEqual({ invalid: 20, mismatch: 50, unbookable: 3, total: 73 });
      expectFinalTotals(tenants, events, ears);
    },
    TEST_TIMEOUT_MS,
  );

  /** The highest version of each scope that was told anywhere is its final total. */
  function expectFinalTotals(
    tenants: readonly Tenant[],
    events: readonly RequestCompleted[],
    ears: ReadonlyMap<string, SettledEars>,
  ): void {
    const told = [...ears.values()]
      .flatMap((each) => each.accounts)
      .flatMap((account) => account.totals.map((total) => ({ tag: account.accountTag, ...total })));
    for (const tenant of tenants) {
      const own = events.filter((event) => event.accountId === tenant.accountId);
      for (const scope of new Set(own.flatMap((event) => [dayScope(event.day), windowScope(event.keyId, event.windowIndex)]))) {
        const inScope = own.filter(
          (event) => scope === dayScope(event.day) || scope === windowScope(event.keyId, event.windowIndex),
        );
        const latest = told
          .filter((total) => total.tag === tenant.accountTag && total.scope === scope)
          .sort((a, b) => b.version - a.version)[0];
        expect(latest?.totalNanoUsd).toBe(inScope.reduce((sum, event) => sum + BigInt(event.chargeNanoUsd), 0n).toString());
      }
    }
  }
});

describe('a metering process', () => {
  const tenants = newTenants();
  const accounts = tenants.map((tenant) => tenant.accountId);
  const bookedCalls = async () => (await readSums(world, accounts)).calls;

  /** Publishes 3,000 calls and ends the process in the middle of booking them. Returns the calls and how many were booked. */
  async function interrupt(
    signal: 'SIGKILL' | 'SIGTERM',
    seed: number,
  ): Promise<{ events: RequestCompleted[]; child: ChildProcess }> {
    const events = randomCalls(tenants, 3_000, seed);
    const calls = await bookedCalls();
    const { child, stop } = await spawnReplica();
    const publishing = publish(world, ...events);
    await waitUntil(async () => (await bookedCalls()) > calls, { timeoutMs: 30_000, what: 'the first batch' });
    await stop(signal);
    await publishing;
    const left = await readSums(world, accounts);
    expect(left).toEqual(sumsOf(left.usage, left.calls));
    expect(left.calls).toBeLessThan(calls + events.length);
    return { events, child };
  }

  it(
    'killed with -9 leaves nothing half-booked and is completed by redelivery; terminated, it hands back at once what it has not begun',
    async () => {
      const { events: first } = await interrupt('SIGKILL', 2);
      // A consumer made anew delivers the whole stream: what the victim held, what it had booked and what it never saw.
      await (await jetstreamManager(world.connection)).consumers.delete(REQUESTS_STREAM, METERING_CONSUMER);
      const heir = await startReplica();
      await waitUntil(async () => (await bookedCalls()) === first.length, { timeoutMs: 60_000, what: 'every call' });
      await drained();
      await expectExact(tenants, first);
      await heir.app.close();

      const { events: second, child } = await interrupt('SIGTERM', 3);
      expect(child.exitCode).toBe(0);
      await startReplica();
      // Far less than the minute after which the server would take the messages back by itself.
      await waitUntil(async () => (await backlog()) === 0, { what: 'an empty backlog' });
      await expectExact(tenants, [...first, ...second]);
    },
    TEST_TIMEOUT_MS,
  );
});
