import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { RequestCompleted } from '@tensorloop/contracts/request-completed';
import { RPC } from '@tensorloop/contracts/subjects';
import { OTHER_TAGS, TAG_NAMES_MAX, TAG_SUMS_KEPT_DAYS } from '@tensorloop/contracts/tags';
import {
  type UsageSeriesGetRequest,
  usageSeriesGetReplySchema,
  usageSeriesGetRequestSchema,
} from '@tensorloop/contracts/usage-series';
import { DAY_MS, utcDay } from '@tensorloop/kernel/budget-window';
import { defineRpc } from '@tensorloop/nest-kit/rpc';
import { waitUntil } from '@tensorloop/testing/wait-until';
import pg from 'pg';
import { type AskedWorld, startAskedWorld } from '../testing/asked-world.js';
import { newEvent, newTenant, type Tenant } from '../testing/events.js';
import { publish, type RunningMetering, startMetering } from '../testing/world.js';
import { TagRetentionService } from './tag-retention.service.js';

const BOOKED_TIMEOUT_MS = 20_000;

const seriesGet = defineRpc(RPC.meteringUsageSeriesGet, usageSeriesGetRequestSchema, usageSeriesGetReplySchema);

let asked: AskedWorld;
let second: RunningMetering;

beforeAll(async () => {
  asked = await startAskedWorld();
  second = await startMetering(asked.world);
});
afterAll(async () => {
  await second?.app.close();
  await asked?.stop();
});

const nameAt = (at: number) => `n${String(at).padStart(4, '0')}`;
const tagged = (tenant: Tenant, tags: Record<string, string>): RequestCompleted => ({ ...newEvent({ tenant }), tags });

async function book(...events: RequestCompleted[]): Promise<void> {
  const { world, ears } = asked;
  const before = new Map(events.map(({ requestId }) => [requestId, ears.count(requestId)]));
  await publish(world, ...events);
  const isBooked = ({ requestId }: RequestCompleted) => ears.count(requestId) > (before.get(requestId) ?? 0);
  await waitUntil(() => events.every(isBooked), { what: 'every settle-ack', timeoutMs: BOOKED_TIMEOUT_MS });
}

/** One call for each name there is room for. */
const fill = (tenant: Tenant) =>
  book(...Array.from({ length: TAG_NAMES_MAX }, (_, at) => tagged(tenant, { [nameAt(at)]: 'x' })));

interface Sum {
  dimension: string;
  value: string;
  requests: number;
  charge: string;
}

const readSums = ({ accountId }: Tenant) =>
  asked.world.database.query<Sum>(
    `SELECT dimension, value, sum(requests)::integer AS requests, sum(charge_nano_usd)::text AS charge
     FROM metering.attribution_rollups WHERE account_id = $1 GROUP BY 1, 2 ORDER BY 1, 2`,
    [accountId],
  );

async function readNames({ accountId }: Tenant): Promise<string[]> {
  const sql = 'SELECT name FROM metering.tag_names WHERE account_id = $1 ORDER BY 1';
  return (await asked.world.database.query<{ name: string }>(sql, [accountId])).map(({ name }) => name);
}

const chargeOf = (...events: RequestCompleted[]) =>
  events.reduce((sum, event) => sum + BigInt(event.chargeNanoUsd), 0n).toString();
const isOthers = ({ dimension }: Sum) => dimension === `tag:${OTHER_TAGS}`;

/** As if the sums of a name had gone with time. */
async function forget({ accountId }: Tenant, name: string): Promise<void> {
  for (const sql of [
    `DELETE FROM metering.attribution_rollups WHERE account_id = $1 AND dimension = 'tag:' || $2`,
    'DELETE FROM metering.tag_names WHERE account_id = $1 AND name = $2',
  ]) {
    await asked.world.database.query(sql, [accountId, name]);
  }
}

describe('names of tags (TL-10)', () => {
  it('beyond the bound are one sum, of which two meterings that find them at the same time lose and double nothing', async () => {
    const tenant = newTenant();
    const beyond = 100;
    const events = Array.from({ length: TAG_NAMES_MAX + beyond }, (_, at) => tagged(tenant, { [nameAt(at)]: 'x' }));
    await book(...events);
    expect(await readNames(tenant)).toHaveLength(TAG_NAMES_MAX + 1);
    const sums = await readSums(tenant);
    const named = sums.filter((sum) => !isOthers(sum));
    expect(named).toHaveLength(TAG_NAMES_MAX);
    expect(named.every(({ requests }) => requests === 1)).toBe(true);
    const apart = new Set(named.map(({ dimension }) => dimension.slice('tag:'.length)));
    const others = events.filter(({ tags = {} }) => Object.keys(tags).every((name) => !apart.has(name)));
    expect(sums.filter(isOthers)).toEqual([
      { dimension: `tag:${OTHER_TAGS}`, value: OTHER_TAGS, requests: beyond, charge: chargeOf(...others) },
    ]);
    // Names that are known go on being told apart; those that are not go on being others.
    const known = [...apart][7] as string;
    const unknown = Object.keys(others[7]?.tags ?? {})[0] as string;
    await book(tagged(tenant, { [known]: 'x' }), tagged(tenant, { [known]: 'y' }), tagged(tenant, { [unknown]: 'x' }));
    const after = await readSums(tenant);
    expect(after.filter(({ dimension }) => dimension === `tag:${known}`)).toMatchObject([
      { value: 'x', requests: 2 },
      { value: 'y', requests: 1 },
    ]);
    expect(after.filter(isOthers)).toMatchObject([{ requests: beyond + 1 }]);
  });

  it('of a call that has several beyond the bound count once, beside those that it has within it', async () => {
    const tenant = newTenant();
    await fill(tenant);
    await book(tagged(tenant, { [nameAt(0)]: 'x', late: 'a', later: 'b' }));
    const sums = await readSums(tenant);
    expect(sums.filter(isOthers)).toMatchObject([{ requests: 1 }]);
    expect(sums.find(({ dimension }) => dimension === `tag:${nameAt(0)}`)).toMatchObject({ requests: 2 });
    const range = { fromDay: utcDay(Date.now() - DAY_MS), toDay: utcDay(Date.now() + DAY_MS) };
    const reply = await series({ accountId: tenant.accountId, ...range, tagName: OTHER_TAGS });
    expect(reply).toMatchObject({
      ok: true,
      total: { requests: TAG_NAMES_MAX + 1 },
      groups: [
        { group: OTHER_TAGS, requests: 1 },
        { group: null, requests: TAG_NAMES_MAX },
      ],
    });
  });

  it('that find room later are told apart from later on, so that what corrects an other reaches it where it was counted', async () => {
    const tenant = newTenant();
    await fill(tenant);
    const truth = tagged(tenant, { late: 'x' });
    await book({ ...truth, outcome: 'gateway_died', estimated: true, usage: {}, chargeNanoUsd: '0' });
    await forget(tenant, nameAt(0));
    const again = tagged(tenant, { late: 'x' });
    await book(again);
    await second.app.get(TagRetentionService, { strict: false }).forgetOld();
    expect(await readNames(tenant)).toContain('late');
    await book(truth);
    expect(
      (await readSums(tenant)).filter(({ dimension }) => dimension === 'tag:late' || dimension === `tag:${OTHER_TAGS}`),
    ).toEqual([{ dimension: `tag:${OTHER_TAGS}`, value: OTHER_TAGS, requests: 2, charge: chargeOf(truth, again) }]);
    await asked.world.database.query(`UPDATE metering.tag_names SET since = now() - interval '1 day' WHERE name = 'late'`);
    await book(tagged(tenant, { late: 'x' }));
    expect((await readSums(tenant)).find(({ dimension }) => dimension === 'tag:late')).toMatchObject({ requests: 1 });
  });

  it('of one account take no room of another', async () => {
    const [full, free] = [newTenant(), newTenant()];
    await fill(full);
    await book(tagged(full, { team: 'a' }), tagged(free, { team: 'a' }));
    expect(await readNames(free)).toEqual(['team']);
    expect((await readSums(free)).map(({ dimension, value }) => [dimension, value])).toEqual([['tag:team', 'a']]);
  });
});

function series(question: Partial<UsageSeriesGetRequest>) {
  const request = { accountId: newTenant().accountId, tagName: 'team', timeZone: 'UTC', keyId: null, model: null } as const;
  const today = utcDay(Date.now());
  return asked.client.call(seriesGet, { ...request, groupBy: 'tag', fromDay: today, toDay: today, ...question });
}

/** A sum of one call, `days` ago. */
const putSum = ({ accountId }: Tenant, dimension: string, days: number) =>
  asked.world.database.query(
    `INSERT INTO metering.attribution_rollups
     VALUES ($1, $2, date_trunc('hour', now(), 'UTC') - $3 * interval '1 day', 'x', 1, 0, 0, 0, 0)`,
    [accountId, dimension, days],
  );

describe('sums of tags', () => {
  it('go when they are old, and with the last of them the name, which makes room; those of projects stay', async () => {
    const tenant = newTenant();
    await fill(tenant);
    await putSum(tenant, `tag:${nameAt(1)}`, TAG_SUMS_KEPT_DAYS + 1);
    await putSum(tenant, 'project', TAG_SUMS_KEPT_DAYS + 1);
    for (const name of ['old', 'older']) {
      await asked.world.database.query(`INSERT INTO metering.tag_names VALUES ($1, $2, '-infinity')`, [tenant.accountId, name]);
      await putSum(tenant, `tag:${name}`, TAG_SUMS_KEPT_DAYS + 1);
    }
    await putSum(tenant, 'tag:old', TAG_SUMS_KEPT_DAYS - 2);
    const retention = second.app.get(TagRetentionService, { strict: false });
    expect(await retention.forgetOld()).toEqual({ sums: 3, names: 1 });
    const dimensions = new Map((await readSums(tenant)).map(({ dimension, requests }) => [dimension, requests]));
    expect([dimensions.get('tag:older'), dimensions.get('tag:old'), dimensions.get(`tag:${nameAt(1)}`)]).toEqual([
      undefined,
      1,
      1,
    ]);
    expect(dimensions.get('project')).toBe(1);
    const names = await readNames(tenant);
    expect(names).toHaveLength(TAG_NAMES_MAX + 1);
    expect(names).not.toContain('older');
    expect(await retention.forgetOld()).toEqual({ sums: 0, names: 0 });
  });

  it('of which the name is found unused while a booking gives it sums keep it', async () => {
    const tenant = newTenant();
    const { database } = asked.world;
    await database.query(`INSERT INTO metering.tag_names VALUES ($1, 'team', '-infinity')`, [tenant.accountId]);
    const booking = new pg.Client({ connectionString: database.urls.meteringIngest });
    await booking.connect();
    try {
      await booking.query('BEGIN');
      await booking.query(`SELECT pg_advisory_xact_lock(hashtextextended('metering.tag_values ' || $1, 0))`, [
        tenant.accountId,
      ]);
      const forgetting = second.app.get(TagRetentionService, { strict: false }).forgetOld();
      await waitUntil(
        async () => (await database.query(`SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`)).length === 1,
        { what: 'the retention waiting for the booking' },
      );
      await booking.query(
        `INSERT INTO metering.attribution_rollups VALUES ($1, 'tag:team', date_trunc('hour', now(), 'UTC'), 'x', 1, 0, 0, 0, 0)`,
        [tenant.accountId],
      );
      await booking.query('COMMIT');
      expect(await forgetting).toMatchObject({ names: 0 });
    } finally {
      await booking.end();
    }
    expect(await readNames(tenant)).toEqual(['team']);
  });

  it('that are not old, and those of projects, cannot be deleted by the service at all', async () => {
    const tenant = newTenant();
    await putSum(tenant, 'tag:team', TAG_SUMS_KEPT_DAYS - 2);
    await putSum(tenant, 'project', TAG_SUMS_KEPT_DAYS + 5);
    const ingest = new pg.Client({ connectionString: asked.world.database.urls.meteringIngest });
    await ingest.connect();
    try {
      expect((await ingest.query('DELETE FROM metering.attribution_rollups')).rowCount).toBe(0);
    } finally {
      await ingest.end();
    }
    expect(await readSums(tenant)).toHaveLength(2);
  });

  it.each([
    ['by tag', {}],
    ['of one value', { groupBy: 'day' as const, tagName: null, tag: { name: 'team', value: 'a' } }],
    ['in parts', { groupBy: 'day' as const, tagName: null, stackBy: { groupBy: 'tag' as const, tagName: 'team' } }],
  ])('are not answered for days for which they are not kept: %s', async (_, question) => {
    const day = (ago: number) => utcDay(Date.now() - ago * DAY_MS);
    const range = (ago: number) => ({ fromDay: day(ago), toDay: day(ago) });
    expect(await series({ ...question, ...range(TAG_SUMS_KEPT_DAYS) })).toMatchObject({ ok: false, code: 'invalid_range' });
    expect(await series({ ...question, ...range(TAG_SUMS_KEPT_DAYS - 3) })).toMatchObject({ ok: true });
    expect(await series({ ...range(TAG_SUMS_KEPT_DAYS), groupBy: 'project', tagName: null })).toMatchObject({ ok: true });
  });
});
