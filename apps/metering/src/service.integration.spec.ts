import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Kvm } from '@nats-io/kv';
import { priceBookSchema } from '@tensorloop/contracts/price-book';
import {
  activityListReplySchema,
  activityListRequestSchema,
  totalsGetReplySchema,
  totalsGetRequestSchema,
  usageSummaryGetReplySchema,
  usageSummaryGetRequestSchema,
} from '@tensorloop/contracts/rpc';
import { dayScope, windowScope } from '@tensorloop/contracts/settle-ack';
import { PRICE_BOOK_KEY, REQUEST_COMPLETED, RPC, SNAPSHOTS_BUCKET } from '@tensorloop/contracts/subjects';
import { DAY_MS, utcDay } from '@tensorloop/kernel/budget-window';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { startHeartbeat } from '@tensorloop/messaging/heartbeats';
import { readSnapshot } from '@tensorloop/messaging/snapshots';
import { withTraceparent } from '@tensorloop/messaging/trace-context';
import { findUndeclared, walkRoutes } from '@tensorloop/nest-kit/routes';
import { defineRpc, RpcClient } from '@tensorloop/nest-kit/rpc';
import type { Tracing } from '@tensorloop/observability/tracing';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { Redis } from 'ioredis';
import pg from 'pg';
import { PricesPublisher } from './prices/prices.publisher.js';
import { newEvent, newTenant, PRICE, type Tenant } from './testing/events.js';
import {
  insertPrice,
  publish,
  type RunningMetering,
  SettledEars,
  startMetering,
  startWorld,
  toPayload,
  type World,
} from './testing/world.js';

const activityList = defineRpc(RPC.meteringActivityList, activityListRequestSchema, activityListReplySchema);
const usageSummaryGet = defineRpc(RPC.meteringUsageSummaryGet, usageSummaryGetRequestSchema, usageSummaryGetReplySchema);
const totalsGet = defineRpc(RPC.meteringTotalsGet, totalsGetRequestSchema, totalsGetReplySchema);

let world: World;
let metering: RunningMetering;
let client: RpcClient;
let ears: SettledEars;

const readiness = async () =>
  (await fetch(`${metering.url}/health/ready`)).json() as Promise<{ status: string; checks: Record<string, { ok: boolean }> }>;

beforeAll(async () => {
  world = await startWorld();
  ears = new SettledEars(world, 'gateway-1');
  client = new RpcClient({ url: world.nats.url, name: 'test', timeoutMs: 20_000 });
  metering = await startMetering(world);
  await waitUntil(async () => (await readiness()).status === 'ready');
});

afterAll(async () => {
  await client?.close();
  await metering?.app.close();
  await world?.stop();
});

async function book(...events: ReturnType<typeof newEvent>[]): Promise<void> {
  await publish(world, ...events);
  await waitUntil(() => events.every((event) => ears.has(event.requestId)), { what: 'every settle-ack' });
}

function list(tenant: Tenant, options: { before?: string; limit?: number; keyId?: string; model?: string } = {}) {
  const { before = null, limit = 50, keyId = null, model = null } = options;
  return client.call(activityList, { accountId: tenant.accountId, before, limit, keyId, model });
}

describe('activity', () => {
  const tenant = { ...newTenant(), mintedAtMs: Date.now() - 90 * DAY_MS };
  const stranger = newTenant();
  const agesDays = [0, 0, 0, 1, 2, 9, 12, 30];
  const events = agesDays.map((days, index) => newEvent({ tenant, admittedAtMs: Date.now() - days * DAY_MS - index * 1_000 }));
  const otherKey = newEvent({ tenant: { ...tenant, keyId: uuid7() }, admittedAtMs: Date.now() - 20_000 });
  const foreign = newEvent({ tenant: stranger });
  const newestFirst = [...events, otherKey]
    .map((event) => event.requestId)
    .sort()
    .reverse();

  beforeAll(() => book(...events, otherKey, foreign));

  it('comes newest first, page by page, across weeks', async () => {
    const seen: string[] = [];
    let before: string | undefined;
    for (let hasMore = true; hasMore; ) {
      const page = await list(tenant, { limit: 2, ...(before && { before }) });
      if (!page.ok) throw new Error(page.message);
      seen.push(...page.rows.map((row) => row.requestId));
      before = seen.at(-1);
      hasMore = page.hasMore;
    }
    expect(seen).toEqual(newestFirst);
  });

  it('shows a call as it was', async () => {
    const page = await list(tenant, { limit: 1 });
    const {
      requestId,
      admittedAtMs,
      keyId,
      model,
      endpoint,
      stream,
      outcome,
      httpStatus,
      estimated,
      usage,
      chargeNanoUsd,
      latencyMs,
      firstByteMs,
    } = events[0] as (typeof events)[0];
    expect(page).toMatchObject({
      ok: true,
      hasMore: true,
      rows: [
        {
          requestId,
          admittedAtMs,
          keyId,
          model,
          endpoint,
          stream,
          outcome,
          httpStatus,
          estimated,
          usage,
          chargeNanoUsd,
          latencyMs,
          firstByteMs,
        },
      ],
    });
  });

  it('can be asked for one key and one model', async () => {
    expect(await list(tenant, { keyId: otherKey.keyId })).toMatchObject({
      rows: [{ requestId: otherKey.requestId }],
      hasMore: false,
    });
    expect(await list(tenant, { model: 'another-model' })).toMatchObject({ ok: true, rows: [], hasMore: false });
  });

  it('is complete up to the instant it names, which is now when nothing waits', async () => {
    const startedAtMs = Date.now() - 1_000;
    await waitUntil(async () => {
      const page = await list(tenant);
      return page.ok && page.dataThroughMs >= startedAtMs;
    });
  });

  it('of one account never shows another’s, by RPC or by SQL as the application role, whatever is asked', async () => {
    const page = await list(stranger);
    expect(page).toMatchObject({ rows: [{ requestId: foreign.requestId }], hasMore: false });
    const db = new pg.Client({ connectionString: world.database.urls.meteringApp });
    await db.connect();
    try {
      await db.query('BEGIN');
      await db.query("SELECT set_config('app.account_id', $1, true)", [stranger.accountId]);
      for (const table of ['usage', 'charges', 'ledger_entries', 'ledger_transactions', 'hourly_rollups', 'scope_totals']) {
        const { rows } = await db.query(`SELECT DISTINCT account_id FROM metering.${table}`);
        expect(rows).toEqual([{ account_id: stranger.accountId }]);
      }
      await expect(db.query(`SELECT * FROM metering.usage_${utcDay(Date.now()).replaceAll('-', '')}`)).rejects.toThrow(
        'permission denied',
      );
      await db.query('ROLLBACK');
      const { rows } = await db.query('SELECT * FROM metering.usage');
      expect(rows).toEqual([]);
    } finally {
      await db.end();
    }
  });

  it('refuses what does not fit the contract', async () => {
    // Past the client, which would refuse to send it.
    const packet = { pattern: RPC.meteringActivityList, data: { accountId: 'nobody', limit: 0 }, id: '1' };
    const reply = await world.connection.request(RPC.meteringActivityList, JSON.stringify(packet));
    expect(reply.json()).toMatchObject({
      response: { ok: false, code: 'invalid_request', message: expect.stringContaining('accountId') },
    });
  });
});

describe('the usage summary', () => {
  it('sums by day, model and key, and each grouping sums to the total', async () => {
    const tenant = { ...newTenant(), mintedAtMs: Date.now() - 90 * DAY_MS };
    const second = { ...tenant, keyId: uuid7() };
    const events = [
      newEvent({ tenant, usage: { input: 10, input_cache_read: 4, output: 3, output_reasoning: 2 } }),
      newEvent({ tenant: second, usage: { input: 100 } }),
      newEvent({ tenant, admittedAtMs: Date.now() - 3 * DAY_MS, usage: { output: 7 } }),
      newEvent({ tenant, admittedAtMs: Date.now() - 12 * DAY_MS }),
    ];
    await book(...events);
    const summary = await client.call(usageSummaryGet, {
      accountId: tenant.accountId,
      fromDay: utcDay(Date.now() - 5 * DAY_MS),
      toDay: utcDay(Date.now()),
    });
    if (!summary.ok) throw new Error(summary.message);
    const inRange = events.slice(0, 3);
    const charge = inRange.reduce((sum, event) => sum + BigInt(event.chargeNanoUsd), 0n);
    expect(summary.total).toEqual({ requests: 3, inputTokens: 114, outputTokens: 12, chargeNanoUsd: charge.toString() });
    expect(summary.byDay.map((day) => day.day)).toEqual([utcDay(Date.now() - 3 * DAY_MS), utcDay(Date.now())]);
    expect(summary.byModel).toEqual([{ model: PRICE.model, ...summary.total }]);
    for (const groups of [summary.byDay, summary.byKey]) {
      expect(groups.reduce((sum, group) => sum + BigInt(group.chargeNanoUsd), 0n)).toBe(charge);
    }
    expect(summary.byKey.find((key) => key.keyId === second.keyId)?.inputTokens).toBe(100);
  });

  it('of an account without calls is all zeros', async () => {
    const summary = await client.call(usageSummaryGet, { accountId: uuid7(), fromDay: '2026-11-01', toDay: '2026-11-30' });
    expect(summary).toMatchObject({ ok: true, total: { requests: 0, chargeNanoUsd: '0' }, byDay: [], byModel: [], byKey: [] });
  });

  it('says what is wrong with a range', async () => {
    const summary = await client.call(usageSummaryGet, { accountId: uuid7(), fromDay: '2026-11-30', toDay: '2026-11-01' });
    expect(summary).toEqual({ ok: false, code: 'invalid_range', message: 'fromDay must not be after toDay' });
  });
});

describe('totals', () => {
  it('are answered for every scope asked, with version 0 where nothing was ever booked', async () => {
    const event = newEvent();
    await book(event);
    const known = windowScope(event.keyId, event.windowIndex);
    const unknown = dayScope('2026-01-31');
    const reply = await client.call(totalsGet, { accountId: event.accountId, scopes: [unknown, known] });
    expect(reply).toEqual({
      ok: true,
      totals: [
        { scope: unknown, totalNanoUsd: '0', version: 0 },
        { scope: known, totalNanoUsd: event.chargeNanoUsd, version: 1 },
      ],
    });
  });

  it('of another account are not to be had', async () => {
    const event = newEvent();
    await book(event);
    const scope = windowScope(event.keyId, event.windowIndex);
    const reply = await client.call(totalsGet, { accountId: uuid7(), scopes: [scope] });
    expect(reply).toEqual({ ok: true, totals: [{ scope, totalNanoUsd: '0', version: 0 }] });
  });
});

describe('the price book', () => {
  const readBook = async () => readSnapshot(await new Kvm(world.js).open(SNAPSHOTS_BUCKET), PRICE_BOOK_KEY, priceBookSchema);

  it('is published at boot, stays as it is while prices do, and grows its revision when one is added', async () => {
    const first = (await waitUntil(readBook)) as NonNullable<Awaited<ReturnType<typeof readBook>>>;
    expect(first.value.prices).toEqual([PRICE]);
    const publisher = metering.app.get(PricesPublisher, { strict: false });
    await publisher.publish();
    expect((await readBook())?.revision).toBe(first.revision);
    const added = { ...PRICE, id: uuid7(), model: 'added-model', effectiveFromMs: Date.now() };
    await insertPrice(world.database, added);
    await publisher.publish();
    const second = await readBook();
    expect(second?.value.prices).toContainEqual(added);
    expect(second?.value.revision).toBe(first.value.revision + 1);
  });

  it('leaves out a row that does not fit, and goes on with all others', async () => {
    const unfit = { ...PRICE, id: uuid7(), model: 'unfit-model', rates: { input: '1e3' } };
    const after = { ...PRICE, id: uuid7(), model: 'after-the-unfit' };
    await insertPrice(world.database, unfit);
    await insertPrice(world.database, after);
    await metering.app.get(PricesPublisher).publish();
    const { prices } = (await readBook())?.value ?? { prices: [] };
    expect(prices).toContainEqual(after);
    expect(prices.map((price) => price.id)).not.toContain(unfit.id);
  });
});

describe('operation', () => {
  it('partitions exist for two weeks ahead', async () => {
    const wanted = Array.from({ length: 15 }, (_, days) => `usage_${utcDay(Date.now() + days * DAY_MS).replaceAll('-', '')}`);
    await waitUntil(async () => {
      const rows = await world.database.query<{ relname: string }>('SELECT relname FROM pg_class WHERE relname = ANY ($1)', [
        wanted,
      ]);
      return rows.length === wanted.length;
    });
  });

  it('the job that creates them has run', async () => {
    const redis = new Redis(world.redis.url);
    await waitUntil(async () => (await redis.zcard('{bull}:metering-partitions:completed')) > 0, { what: 'a completed job' });
    await redis.quit();
  });

  it('names each dependency in its readiness', async () => {
    expect(Object.keys((await readiness()).checks).sort()).toEqual(['ingest', 'nats', 'postgres', 'rpc']);
  });

  it('counts what it does', async () => {
    const text = await (await fetch(`${metering.url}/metrics`)).text();
    expect(text).toMatch(/metering_events_booked_total\{service="metering"\} [1-9]/);
    expect(text).toContain('metering_quarantined_total{reason="price_mismatch",service="metering"} 0');
  });

  it('declares access and answer of every route', () => {
    const routes = walkRoutes(metering.app);
    expect(routes.length).toBeGreaterThanOrEqual(3);
    expect(routes.flatMap(findUndeclared)).toEqual([]);
  });

  it('starts, books and stops without Redis', async () => {
    const lonely = await startMetering(world, { REDIS_URL: 'redis://127.0.0.1:1' });
    const event = newEvent();
    await book(event);
    await lonely.app.close();
    await expect(fetch(`${lonely.url}/health/live`)).rejects.toThrow();
  });

  it('continues the trace of the call that it books', async () => {
    await metering.app.close();
    const ended: string[] = [];
    const tracing: Tracing = {
      isEnabled: true,
      startSpan: (name, { parent } = {}) => ({
        traceparent: undefined,
        set() {},
        fail() {},
        end: () => ended.push(`${name} ${parent}`),
      }),
      shutdown: () => Promise.resolve(),
    };
    metering = await startMetering(world, {}, tracing);
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const event = newEvent();
    await world.js.publish(REQUEST_COMPLETED, toPayload(event), { headers: withTraceparent(traceparent) });
    await waitUntil(() => ears.has(event.requestId) && ended.length > 0);
    expect(ended).toEqual([`metering.book ${traceparent}`]);
  });

  it('tells a gateway that starts again what it missed', async () => {
    const event = newEvent({ gatewayId: 'gateway-away' });
    await publish(world, event);
    await waitUntil(async () => {
      const page = await list({ ...newTenant(), accountId: event.accountId });
      return page.ok && page.rows.length === 1;
    });
    const late = new SettledEars(world, 'gateway-away');
    const heartbeat = startHeartbeat({ connection: world.connection, gatewayId: 'gateway-away' });
    await waitUntil(() => late.has(event.requestId), { what: 'the settle-ack' });
    await heartbeat.leave();
  });

  it('loses nothing that is published while it is down', async () => {
    await metering.app.close();
    const events = Array.from({ length: 20 }, () => newEvent());
    await publish(world, ...events);
    metering = await startMetering(world);
    await waitUntil(() => events.every((event) => ears.count(event.requestId) === 1), { what: 'every settle-ack' });
  });

  it('goes on after NATS was killed, and says again what nobody may have heard', async () => {
    const before = newEvent();
    await publish(world, before);
    await world.nats.server.kill();
    await world.nats.server.restart();
    const after = newEvent();
    await waitUntil(() => publish(world, after).then(() => true));
    await waitUntil(() => ears.has(before.requestId) && ears.has(after.requestId), {
      what: 'both settle-acks',
    });
  });
});
