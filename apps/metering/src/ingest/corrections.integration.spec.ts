import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { RequestCompleted } from '@tensorloop/contracts/request-completed';
import { dayScope, projectScope } from '@tensorloop/contracts/settle-ack';
import { METERING_CONSUMER, REQUESTS_STREAM } from '@tensorloop/contracts/subjects';
import type { Usage } from '@tensorloop/contracts/usage';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { jetstreamManager } from '@tensorloop/messaging/streams';
import { waitUntil } from '@tensorloop/testing/wait-until';
import fc from 'fast-check';
import { newEvent, newTenant, oracleCharge, PRICE, type Tenant } from '../testing/events.js';
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
import { UsageRepository } from '../usage/usage.repository.js';

const GATEWAY = 'gateway-1';
const TRUE_USAGE: Usage = { input: 700, input_cache_read: 300, output: 200, output_reasoning: 41 };
/** The bytes of a prompt divided, the pieces passed on: fresh input that was read from a cache in truth. */
const COUNTED: Usage = { input: 900, output: 3 };

let world: World;
let metering: RunningMetering;
let other: RunningMetering;
let ears: SettledEars;

beforeAll(async () => {
  world = await startWorld();
  ears = new SettledEars(world, GATEWAY);
  [metering, other] = await Promise.all([startMetering(world), startMetering(world)]);
});

afterAll(async () => {
  await Promise.all([metering?.app.close(), other?.app.close()]);
  await world?.stop();
});

/** What is said of the same call by whoever settles it for a gateway that has died. */
function estimateOf(truth: RequestCompleted, usage: Usage = COUNTED): RequestCompleted {
  const cost = oracleCharge(PRICE, usage);
  const hold = BigInt(truth.holdNanoUsd);
  const charge = cost < hold ? cost : hold;
  return {
    ...truth,
    outcome: 'gateway_died',
    estimated: true,
    usage,
    chargeNanoUsd: charge.toString(),
    overrunNanoUsd: (cost - charge).toString(),
    completedAtMs: truth.admittedAtMs + 60_000,
    latencyMs: 60_000,
    firstByteMs: null,
    attempts: [],
  };
}

const newTruth = (tenant: Tenant = newTenant(), holdNanoUsd?: bigint) =>
  newEvent({ tenant, usage: TRUE_USAGE, ...(holdNanoUsd === undefined ? {} : { holdNanoUsd }) });

/** One after the other, each settled before the next is published. */
async function publishInOrder(...events: RequestCompleted[]): Promise<void> {
  for (const event of events) {
    const before = ears.count(event.requestId);
    await publish(world, event);
    await waitUntil(() => ears.count(event.requestId) > before, { what: `a settle-ack of ${event.requestId}` });
  }
}

/** Nothing waits in the stream, nor for its acknowledgement. */
async function isBooked(): Promise<boolean> {
  const consumers = (await jetstreamManager(world.connection)).consumers;
  const { num_pending, num_ack_pending } = await consumers.info(REQUESTS_STREAM, METERING_CONSUMER);
  return num_pending + num_ack_pending === 0;
}

async function listQuarantined(requestId: string): Promise<string[]> {
  const rows = await world.database.query<{ reason: string }>('SELECT reason FROM metering.quarantine WHERE request_id = $1', [
    requestId,
  ]);
  return rows.map((row) => row.reason);
}

const read = ({ accountId, requestId }: RequestCompleted) =>
  metering.app.get(UsageRepository, { strict: false }).findRequest(accountId, requestId);

/** Every sum has the call at its truth, once; its row and lines show it; nothing is in quarantine. */
async function expectTruth(truth: RequestCompleted): Promise<void> {
  expect(await readSums(world, [truth.accountId])).toEqual(sumsOf(BigInt(truth.chargeNanoUsd), 1));
  const shown = await read(truth);
  expect(shown).toMatchObject({
    outcome: truth.outcome,
    estimated: truth.estimated,
    usage: truth.usage,
    chargeNanoUsd: truth.chargeNanoUsd,
    completedAtMs: truth.completedAtMs,
    attempts: truth.attempts,
  });
  expect(await listQuarantined(truth.requestId)).toEqual([]);
}

async function expectLines(truth: RequestCompleted): Promise<void> {
  const lines = (await read(truth))?.lines ?? [];
  expect(Object.fromEntries(lines.map((line) => [line.dimension, line.quantity]))).toEqual(truth.usage);
  expect(lines.reduce((sum, line) => sum + BigInt(line.amountNanoUsd), 0n)).toBe(BigInt(truth.chargeNanoUsd));
}

/** What is in metering.corrections of the call, and how many of its lines are corrections. */
const listCorrections = ({ requestId }: RequestCompleted) =>
  world.database.query(
    `SELECT estimated_nano_usd::text AS estimated, corrected_nano_usd::text AS corrected,
       (SELECT sum(amount_nano_usd)::text FROM metering.charges c WHERE c.request_id = k.request_id AND is_correction) AS added
     FROM metering.corrections k WHERE request_id = $1`,
    [requestId],
  );

describe('the true end of a call that was booked as an estimate', () => {
  it('corrects it in every sum, by further lines', async () => {
    const truth = newTruth();
    const estimate = estimateOf(truth);
    await publishInOrder(estimate, truth);
    await expectTruth(truth);
    await expectLines(truth);
    expect(await listCorrections(truth)).toEqual([
      {
        estimated: estimate.chargeNanoUsd,
        corrected: truth.chargeNanoUsd,
        added: String(BigInt(truth.chargeNanoUsd) - BigInt(estimate.chargeNanoUsd)),
      },
    ]);
  });

  it('raises the totals that the gateway is told', async () => {
    const truth = newTruth();
    await publishInOrder(estimateOf(truth), truth);
    expect(ears.last(truth.requestId).totals).toContainEqual({
      scope: dayScope(truth.day),
      totalNanoUsd: truth.chargeNanoUsd,
      version: 2,
    });
  });

  it('is never charged above the hold', async () => {
    const hold = oracleCharge(PRICE, TRUE_USAGE) - 7n;
    const truth = newTruth(newTenant(), hold);
    expect(truth.chargeNanoUsd).toBe(hold.toString());
    await publishInOrder(estimateOf(truth), truth);
    await expectTruth(truth);
  });

  it('that cost nothing more changes how the call ended and no amount', async () => {
    const truth = newTruth();
    const estimate = estimateOf(truth, TRUE_USAGE);
    await publishInOrder(estimate, truth);
    await expectTruth(truth);
    expect(await listCorrections(truth)).toEqual([
      { estimated: truth.chargeNanoUsd, corrected: truth.chargeNanoUsd, added: null },
    ]);
  });

  it('and less than the estimate takes nothing back: what was charged was delivered', async () => {
    const truth = newEvent({ tenant: newTenant(), usage: { input: 10, output: 1 }, holdNanoUsd: 1_000_000n });
    const estimate = estimateOf(truth);
    await publishInOrder(estimate, truth);
    await expectTruth(estimate);
    expect(await listCorrections(truth)).toEqual([]);
  });

  it('delivered again and again corrects once', async () => {
    const truth = newTruth();
    const estimate = estimateOf(truth);
    await publishInOrder(estimate, truth, truth, estimate, truth);
    await expectTruth(truth);
    expect(await listCorrections(truth)).toHaveLength(1);
  });

  it('in one batch with its estimate is charged at its truth', async () => {
    const truths = Array.from({ length: 20 }, () => newTruth());
    await publish(world, ...truths.flatMap((truth) => [estimateOf(truth), truth]));
    await waitUntil(() => truths.every((truth) => ears.count(truth.requestId) >= 2), { what: 'every settle-ack' });
    for (const truth of truths) await expectTruth(truth);
  });

  it.each<[string, string | null, string | null]>([
    ['a project, where its estimate named none', null, uuid7()],
    ['no project, where its estimate named one', uuid7(), null],
    ['another project than its estimate', uuid7(), uuid7()],
  ])('that names %s counts where the estimate is booked, in every sum', async (_, booked, named) => {
    const inProject = (event: RequestCompleted, projectId: string | null): RequestCompleted =>
      projectId === null
        ? event
        : { ...event, projectId, projectWindowIndex: 0, projectWindowStartMs: event.admittedAtMs - 1_000 };
    const plain = newTruth();
    const truth = inProject(plain, named);
    await publishInOrder(inProject(estimateOf(plain), booked), truth);
    await expectTruth(truth);
    const totals = await world.database.query<{ scope: string; total: string }>(
      `SELECT scope, total_nano_usd::text AS total FROM metering.scope_totals WHERE account_id = $1 AND scope LIKE 'project:%'`,
      [truth.accountId],
    );
    const rollups = await world.database.query<{ value: string; total: string }>(
      `SELECT value, charge_nano_usd::text AS total FROM metering.attribution_rollups WHERE account_id = $1`,
      [truth.accountId],
    );
    const total = truth.chargeNanoUsd;
    expect(totals).toEqual(booked === null ? [] : [{ scope: projectScope(booked, 0), total }]);
    expect(rollups).toEqual(booked === null ? [] : [{ value: booked, total }]);
  });

  it('of a prepaid account draws the rest on its balance', async () => {
    const truth: RequestCompleted = { ...newTruth(), isPrepaid: true };
    await publishInOrder(estimateOf(truth), truth);
    const [row] = await world.database.query<{ drawn: string; total: string }>(
      `SELECT (SELECT sum(amount_nano_usd)::text FROM metering.ledger_entries WHERE account_id = $1 AND ledger_account = 'prepaid') AS drawn,
         (SELECT total_nano_usd::text FROM metering.scope_totals WHERE account_id = $1 AND scope = 'balance') AS total`,
      [truth.accountId],
    );
    expect(row).toEqual({ drawn: truth.chargeNanoUsd, total: truth.chargeNanoUsd });
  });
});

describe('an estimate', () => {
  it('that comes after the truth is a copy of it', async () => {
    const truth = newTruth();
    await publishInOrder(truth, estimateOf(truth));
    await expectTruth(truth);
    expect(await listCorrections(truth)).toEqual([]);
  });

  it('that comes after another estimate changes nothing', async () => {
    const truth = newTruth();
    const first = estimateOf(truth);
    await publishInOrder(first, estimateOf(truth, { input: 950, output: 9 }));
    await expectTruth(first);
  });
});

describe('what is no correction', () => {
  it.each<[string, (truth: RequestCompleted) => Partial<RequestCompleted>]>([
    ['another account', () => ({ accountId: uuid7() })],
    ['another key', () => ({ keyId: uuid7() })],
    ['another gateway', () => ({ gatewayId: 'gateway-2' })],
    ['a larger hold', ({ holdNanoUsd }) => ({ holdNanoUsd: String(BigInt(holdNanoUsd) + 1n) })],
    ['another instant of admission', ({ admittedAtMs }) => ({ admittedAtMs: admittedAtMs + 1 })],
    ['another balance', () => ({ isPrepaid: true })],
  ])('an end with %s is quarantined', async (_name, change) => {
    const truth = newTruth();
    const estimate = estimateOf(truth);
    const altered = { ...truth, ...change(truth) };
    const gateway = altered.gatewayId === GATEWAY ? ears : new SettledEars(world, altered.gatewayId);
    await publishInOrder(estimate);
    const before = gateway.count(truth.requestId);
    await publish(world, altered);
    await waitUntil(() => gateway.count(truth.requestId) > before, { what: 'a settle-ack' });
    expect(await readSums(world, [truth.accountId, altered.accountId])).toEqual(sumsOf(BigInt(estimate.chargeNanoUsd), 1));
    expect(await listQuarantined(truth.requestId)).toEqual(['payload_mismatch']);
  });

  it('a second and different truth is quarantined', async () => {
    const truth = newTruth();
    await publishInOrder(estimateOf(truth), truth, { ...truth, latencyMs: truth.latencyMs + 1 });
    expect(await readSums(world, [truth.accountId])).toEqual(sumsOf(BigInt(truth.chargeNanoUsd), 1));
    expect(await listQuarantined(truth.requestId)).toEqual(['payload_mismatch']);
  });
});

it('in any order, copied at will and over two replicas, every call ends at its truth', async () => {
  const tenants = [newTenant(), newTenant()];
  const copies = fc.record({
    tenant: fc.constantFrom(...tenants),
    usage: fc.record({ input: fc.nat(20_000), input_cache_read: fc.nat(5_000), output: fc.nat(4_000) }),
    // A prompt is counted low, and so is what was passed on.
    share: fc.record({
      input: fc.double({ min: 0, max: 1, noNaN: true }),
      output: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
    order: fc.shuffledSubarray(['truth', 'estimate', 'truth', 'estimate'], { minLength: 2 }).filter((o) => o.includes('truth')),
  });
  const calls = fc.sample(copies, { numRuns: 150, seed: 6001 }).map(({ tenant, usage, share, order }) => {
    const truth = newEvent({ tenant, usage });
    const counted = { input: Math.floor(usage.input * share.input), output: Math.floor(usage.output * share.output) };
    return { truth, events: order.map((name) => (name === 'truth' ? truth : estimateOf(truth, counted))) };
  });
  const rounds = Math.max(...calls.map(({ events }) => events.length));
  for (let round = 0; round < rounds; round++) {
    await publish(world, ...calls.flatMap(({ events }) => events[round] ?? []));
  }
  await waitUntil(isBooked, { timeoutMs: 30_000, what: 'an empty stream' });
  const total = calls.reduce((sum, { truth }) => sum + BigInt(truth.chargeNanoUsd), 0n);
  expect(
    await readSums(
      world,
      tenants.map((tenant) => tenant.accountId),
    ),
  ).toEqual(sumsOf(total, calls.length));
  const [row] = await world.database.query<{ tokens: string }>(
    `SELECT sum(input_tokens + output_tokens)::text AS tokens FROM metering.hourly_rollups WHERE account_id = ANY ($1::uuid[])`,
    [tenants.map((tenant) => tenant.accountId)],
  );
  const tokens = calls.reduce((sum, { truth }) => sum + Object.values(truth.usage).reduce((a, b) => a + b, 0), 0);
  expect(row).toEqual({ tokens: String(tokens) });
});
