import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { RequestCompleted } from '@tensorloop/contracts/request-completed';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { newEvent, newTenant, oracleNanoUsd, PRICE } from '../testing/events.js';
import { publish, type RunningMetering, SettledEars, startMetering, startWorld, type World } from '../testing/world.js';

let world: World;
let metering: RunningMetering;
let ears: SettledEars;

beforeAll(async () => {
  world = await startWorld();
  ears = new SettledEars(world, 'gateway-1');
  metering = await startMetering(world);
});

afterAll(async () => {
  await metering?.app.close();
  await world?.stop();
});

/** Every column that an event fills, as JSON has it. */
const readRows = (accountId: string) =>
  world.database.query(
    `SELECT request_id, key_id, model, endpoint, gateway_id, is_stream, outcome, http_status, is_estimated,
       extract(epoch FROM admitted_at)::float8 * 1000 AS admitted, extract(epoch FROM completed_at)::float8 * 1000 AS completed,
       window_index, extract(epoch FROM window_start)::float8 * 1000 AS window_start, billing_day::text, price_version_id,
       quantities, hold_nano_usd::text, charge_nano_usd::text, overrun_nano_usd::text, latency_ms::float8,
       first_byte_ms::float8, attempts, is_prepaid
     FROM metering.usage WHERE account_id = $1 ORDER BY http_status`,
    [accountId],
  );

function toRow(event: RequestCompleted) {
  return {
    request_id: event.requestId,
    key_id: event.keyId,
    model: event.model,
    endpoint: event.endpoint,
    gateway_id: event.gatewayId,
    is_stream: event.stream,
    outcome: event.outcome,
    http_status: event.httpStatus,
    is_estimated: event.estimated,
    admitted: event.admittedAtMs,
    completed: event.completedAtMs,
    window_index: event.windowIndex,
    window_start: event.windowStartMs,
    billing_day: event.day,
    price_version_id: event.priceVersionId,
    quantities: event.usage,
    hold_nano_usd: event.holdNanoUsd,
    charge_nano_usd: event.chargeNanoUsd,
    overrun_nano_usd: event.overrunNanoUsd,
    latency_ms: event.latencyMs,
    first_byte_ms: event.firstByteMs,
    attempts: event.attempts,
    is_prepaid: event.isPrepaid === true,
  };
}

/** Of one table alone: a query over two could meet the making of partitions, which locks them in its own order. */
const readCharges = (accountId: string) =>
  world.database.query(
    `SELECT request_id, dimension, quantity::text, unit_price::float8, amount_nano_usd::text, price_version_id
     FROM metering.charges WHERE account_id = $1 ORDER BY request_id, line`,
    [accountId],
  );

function toCharges(event: RequestCompleted) {
  return (['input', 'output'] as const)
    .filter((dimension) => event.usage[dimension])
    .map((dimension) => ({
      request_id: event.requestId,
      dimension,
      quantity: String(event.usage[dimension]),
      unit_price: Number(PRICE.rates[dimension]),
      amount_nano_usd: oracleNanoUsd(event.usage[dimension] ?? 0, PRICE.rates[dimension] ?? '0').toString(),
      price_version_id: PRICE.id,
    }));
}

it('a batch of different calls gives each row its own values, in every column', async () => {
  const tenant = newTenant();
  const calls = Array.from({ length: 5 }, (_, n) => ({
    ...newEvent({ tenant, usage: { input: 10 + n, output: n }, holdNanoUsd: 10_000n + BigInt(n) }),
    keyId: uuid7(),
    endpoint: n % 2 === 0 ? ('embeddings' as const) : ('chat.completions' as const),
    stream: n % 2 === 1,
    estimated: n % 3 === 0,
    httpStatus: 200 + n,
    completedAtMs: Date.now() + 1_000 * n,
    latencyMs: 100.5 + n,
    firstByteMs: n === 2 ? null : 10.25 + n,
    attempts: Array.from({ length: n }, () => ({
      provider: `p${n}`,
      upstreamModel: 'ü',
      status: n,
      failure: null,
      latencyMs: n,
    })),
  }));
  await publish(world, ...calls);
  await waitUntil(() => calls.every((call) => ears.has(call.requestId)), { what: 'a settle-ack of every call' });
  expect(await readRows(tenant.accountId)).toEqual(calls.map(toRow));
  expect(await readCharges(tenant.accountId)).toEqual(
    calls.toSorted((a, b) => (a.requestId < b.requestId ? -1 : 1)).flatMap(toCharges),
  );
});
