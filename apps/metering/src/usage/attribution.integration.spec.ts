import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { accountChangedSchema } from '@tensorloop/contracts/account-changed';
import type { RequestCompleted } from '@tensorloop/contracts/request-completed';
import {
  type ActivityListRequest,
  activityListReplySchema,
  activityListRequestSchema,
  keyUsageListReplySchema,
  keyUsageListRequestSchema,
} from '@tensorloop/contracts/rpc';
import { accountChangedSubject, RPC } from '@tensorloop/contracts/subjects';
import {
  SERIES_STACKS_MAX,
  type SeriesStacks,
  type SeriesSum,
  type StackBy,
  type StackColumns,
  type UsageSeriesGetReply,
  type UsageSeriesGetRequest,
  usageSeriesGetReplySchema,
  usageSeriesGetRequestSchema,
} from '@tensorloop/contracts/usage-series';
import { utcDay } from '@tensorloop/kernel/budget-window';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { defineRpc, RpcClient } from '@tensorloop/nest-kit/rpc';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { GATHER_MS } from '../live/live.service.js';
import { OTHER_VALUES, TAG_VALUES_MAX } from '../rollups/tag-values.rules.js';
import { newEvent, newTenant, PRICE } from '../testing/events.js';
import { publish, type RunningMetering, SettledEars, startMetering, startWorld, type World } from '../testing/world.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Within a day of now, so that its partition exists and the call is not too late. */
const NOON_MS = Math.floor(Date.now() / DAY_MS) * DAY_MS - 12 * HOUR_MS;

const activityList = defineRpc(RPC.meteringActivityList, activityListRequestSchema, activityListReplySchema);
const seriesGet = defineRpc(RPC.meteringUsageSeriesGet, usageSeriesGetRequestSchema, usageSeriesGetReplySchema);
const keyUsageList = defineRpc(RPC.meteringKeyUsageList, keyUsageListRequestSchema, keyUsageListReplySchema);

let world: World;
let metering: RunningMetering;
let client: RpcClient;

const tenant = { ...newTenant(), mintedAtMs: NOON_MS - 40 * DAY_MS };
const stranger = { ...newTenant(), mintedAtMs: NOON_MS - 40 * DAY_MS };
const secondKey = { ...tenant, keyId: uuid7() };
const projectId = uuid7();
const inProject = { projectId, projectWindowIndex: 0, projectWindowStartMs: NOON_MS - DAY_MS };

/** Six calls of the tenant, all unlike. */
const search = { ...newEvent({ tenant, admittedAtMs: NOON_MS }), ...inProject, tags: { team: 'search', environment: 'live' } };
const ads = { ...newEvent({ tenant, admittedAtMs: NOON_MS - HOUR_MS }), tags: { team: 'ads' }, latencyMs: 40 };
const untagged = newEvent({ tenant: secondKey, admittedAtMs: NOON_MS - 2 * HOUR_MS });
const failed: RequestCompleted = {
  ...newEvent({ tenant, admittedAtMs: NOON_MS - 3 * HOUR_MS, usage: {} }),
  ...{ outcome: 'upstream_error', httpStatus: 502, firstByteMs: null, tags: { team: 'search' } },
};
const estimated: RequestCompleted = { ...newEvent({ tenant, admittedAtMs: NOON_MS - 4 * HOUR_MS }), estimated: true };
const daysAgo = {
  ...newEvent({ tenant: secondKey, admittedAtMs: NOON_MS - 3 * DAY_MS }),
  ...inProject,
  tags: { team: 'search' },
};
const calls = [search, ads, untagged, failed, estimated, daysAgo];
const foreign = { ...newEvent({ tenant: stranger, admittedAtMs: NOON_MS }), ...inProject, tags: { team: 'search' } };

/** Who was told that something changed, and when. */
const told: { accountId: string; kinds: string[]; atMs: number }[] = [];

beforeAll(async () => {
  world = await startWorld();
  world.connection.subscribe(accountChangedSubject('*'), {
    callback: (_error, msg) => {
      const { kinds } = accountChangedSchema.parse(msg.json());
      told.push({ accountId: msg.subject.split('.')[1] ?? '', kinds, atMs: performance.now() });
    },
  });
  const ears = new SettledEars(world, 'gateway-1');
  metering = await startMetering(world);
  client = new RpcClient({ url: world.nats.url, name: 'test', timeoutMs: 20_000 });
  await publish(world, ...calls, foreign);
  await waitUntil(() => [...calls, foreign].every((call) => ears.has(call.requestId)), { what: 'every settle-ack' });
});
afterAll(async () => {
  await client?.close();
  await metering?.app.close();
  await world?.stop();
});

async function list(filter: Partial<ActivityListRequest>, accountId = tenant.accountId): Promise<string[]> {
  const request = { accountId, before: null, limit: 50, keyId: null, model: null, ...filter };
  const reply = await client.call(activityList, request);
  if (!reply.ok) throw new Error(reply.message);
  return reply.rows.map((row) => row.requestId);
}

const idsOf = (...events: RequestCompleted[]) =>
  events
    .map((event) => event.requestId)
    .sort()
    .reverse();

describe('the activity (TL-10)', () => {
  it.each<[string, Partial<ActivityListRequest>, RequestCompleted[]]>([
    ['a tag', { tag: { name: 'team', value: 'search' } }, [search, failed, daysAgo]],
    ['another tag', { tag: { name: 'environment', value: 'live' } }, [search]],
    ['a value nobody gave', { tag: { name: 'team', value: 'live' } }, []],
    ['a project', { projectId }, [search, daysAgo]],
    ['what failed', { status: 'failed' }, [failed]],
    ['what succeeded', { status: 'succeeded' }, [search, ads, untagged, estimated, daysAgo]],
    ['what was estimated', { status: 'estimated' }, [estimated]],
    ['a request', { requestId: ads.requestId }, [ads]],
    [
      'a time, its beginning included and its end not',
      { fromMs: untagged.admittedAtMs, toMs: search.admittedAtMs },
      [ads, untagged],
    ],
    ['days before', { toMs: NOON_MS - 2 * DAY_MS }, [daysAgo]],
    ['a key', { keyId: secondKey.keyId }, [untagged, daysAgo]],
    ['a model', { model: PRICE.model }, calls],
    [
      'all of them at once',
      { tag: { name: 'team', value: 'search' }, projectId, status: 'succeeded', keyId: tenant.keyId },
      [search],
    ],
  ])('is filtered by %s', async (_, filter, expected) => {
    expect(await list(filter)).toEqual(idsOf(...expected));
  });

  it('shows project and tags of a call', async () => {
    const reply = await client.call(activityList, {
      ...{ accountId: tenant.accountId, before: null, limit: 1, keyId: null, model: null },
      requestId: search.requestId,
    });
    expect(reply).toMatchObject({ rows: [{ projectId, tags: search.tags }] });
  });

  it('is paged within a tag', async () => {
    const tag = { name: 'team', value: 'search' };
    const [first] = await list({ tag, limit: 1 });
    expect(await list({ tag, before: first as string })).toEqual(idsOf(search, failed, daysAgo).slice(1));
  });

  it.each<[string, Partial<ActivityListRequest>]>([
    ['tag', { tag: { name: 'team', value: 'ads' } }],
    ['request', { requestId: search.requestId }],
    ['key', { keyId: tenant.keyId }],
  ])('of another account is empty, whatever %s of ours it asks for', async (_, filter) => {
    expect(await list(filter, stranger.accountId)).toEqual([]);
    expect(await list({ projectId }, stranger.accountId)).toEqual([foreign.requestId]);
  });
});

describe('a tag with more values in an hour than are told apart', () => {
  it('has the others as one sum, which corrections of theirs reach too; every call is counted once', async () => {
    const busy = newTenant();
    const ears = new SettledEars(world, 'gateway-1');
    const admittedAtMs = Date.now();
    const tagged = (user: string) => ({ ...newEvent({ tenant: busy, admittedAtMs }), tags: { user } });
    const first = Array.from({ length: TAG_VALUES_MAX }, (_, at) => tagged(`user-${at}`));
    await publish(world, ...first);
    await waitUntil(() => first.every(({ requestId }) => ears.has(requestId)), { what: 'every settle-ack' });
    const beyond = Array.from({ length: 20 }, (_, at) => tagged(`late-${at}`));
    const truth = tagged('corrected');
    const estimate: RequestCompleted = { ...truth, outcome: 'gateway_died', estimated: true, usage: {}, chargeNanoUsd: '0' };
    const again = tagged('user-0');
    const late = [...beyond, estimate, again];
    await publish(world, ...late);
    await waitUntil(() => late.every(({ requestId }) => ears.has(requestId)), { what: 'every settle-ack' });
    const before = ears.count(truth.requestId);
    await publish(world, truth, ...beyond);
    await waitUntil(() => ears.count(truth.requestId) > before, { what: 'a settle-ack of the correction' });
    const rows = await world.database.query<{ value: string; requests: bigint | string; charge: string }>(
      `SELECT value, requests::text, charge_nano_usd::text AS charge FROM metering.attribution_rollups
       WHERE account_id = $1 AND dimension = 'tag:user'`,
      [busy.accountId],
    );
    expect(rows).toHaveLength(TAG_VALUES_MAX + 1);
    const charge = [...beyond, truth].reduce((sum, event) => sum + BigInt(event.chargeNanoUsd), 0n);
    expect(rows.find(({ value }) => value === OTHER_VALUES)).toMatchObject({ requests: '21', charge: charge.toString() });
    expect(rows.find(({ value }) => value === 'user-0')).toMatchObject({ requests: '2' });
    // Each is found by its own value all the same.
    expect(await list({ tag: { name: 'user', value: 'late-7' } }, busy.accountId)).toHaveLength(1);
  });
});

type Series = Extract<UsageSeriesGetReply, { ok: true }>;

async function series(question: Partial<UsageSeriesGetRequest>): Promise<Series> {
  const request = {
    accountId: tenant.accountId,
    groupBy: 'day',
    tagName: null,
    timeZone: 'UTC',
    keyId: null,
    model: null,
  } as const;
  const reply = await client.call(seriesGet, { ...request, fromDay: utcDay(NOON_MS), toDay: utcDay(NOON_MS), ...question });
  if (!reply.ok) throw new Error(`${reply.code}: ${reply.message}`);
  return reply;
}

/** Counted here again, from the events. */
function sumOf(...events: RequestCompleted[]) {
  const tokens = (side: string) =>
    events
      .flatMap((event) => Object.entries(event.usage))
      .reduce((sum, [name, count]) => sum + (name.startsWith(side) ? count : 0), 0);
  return {
    requests: events.length,
    failed: events.filter((event) => event.outcome === 'upstream_error').length,
    inputTokens: tokens('input'),
    outputTokens: tokens('output'),
    chargeNanoUsd: events.reduce((sum, event) => sum + BigInt(event.chargeNanoUsd), 0n).toString(),
  };
}

const columnsOf = ({ series, others }: SeriesStacks) =>
  [...series, ...(others === null ? [] : [others])].map(({ columns }) => columns);

/** All parts of one hour or day, added up. */
function sumAt(stacks: SeriesStacks | undefined, at: number): SeriesSum {
  const all = columnsOf(stacks as SeriesStacks);
  const add = (name: 'requests' | 'failed' | 'inputTokens' | 'outputTokens') =>
    all.reduce((sum, columns) => sum + (columns[name][at] ?? 0), 0);
  return {
    requests: add('requests'),
    failed: add('failed'),
    inputTokens: add('inputTokens'),
    outputTokens: add('outputTokens'),
    chargeNanoUsd: all.reduce((sum, { chargeNanoUsd }) => sum + BigInt(chargeNanoUsd[at] ?? 0), 0n).toString(),
  };
}

function totalOf(columns: StackColumns): SeriesSum {
  const add = (counts: number[]) => counts.reduce((sum, count) => sum + count, 0);
  return {
    requests: add(columns.requests),
    failed: add(columns.failed),
    inputTokens: add(columns.inputTokens),
    outputTokens: add(columns.outputTokens),
    chargeNanoUsd: columns.chargeNanoUsd.reduce((sum, amount) => sum + BigInt(amount), 0n).toString(),
  };
}

function onlySum({ requests, failed, inputTokens, outputTokens, chargeNanoUsd }: SeriesSum): SeriesSum {
  return { requests, failed, inputTokens, outputTokens, chargeNanoUsd };
}

const today = [search, ads, untagged, failed, estimated];

describe('the usage series (TL-6)', () => {
  it('by day leaves no day out and has as many days before beside it', async () => {
    const { groups, total, previous } = await series({ fromDay: utcDay(NOON_MS - DAY_MS) });
    expect(groups).toMatchObject([
      { group: utcDay(NOON_MS - DAY_MS), ...sumOf() },
      { group: utcDay(NOON_MS), startMs: NOON_MS - 12 * HOUR_MS, ...sumOf(...today) },
    ]);
    expect(total).toEqual(sumOf(...today));
    expect(previous).toMatchObject({ toDay: utcDay(NOON_MS - 2 * DAY_MS), total: sumOf(daysAgo) });
    expect(previous.groups.map(({ requests }) => requests)).toEqual([1, 0]);
  });

  it('cuts days where the time zone does', async () => {
    // Kiritimati is 14 hours ahead: its day begins at 10:00 in UTC.
    const day = utcDay(NOON_MS + DAY_MS);
    const { total, period } = await series({ fromDay: day, toDay: day, timeZone: 'Pacific/Kiritimati' });
    expect(period.startMs).toBe(NOON_MS - 2 * HOUR_MS);
    expect(total).toEqual(sumOf(search, ads, untagged));
  });

  it('by hour names each by its beginning', async () => {
    const { groups } = await series({ groupBy: 'hour' });
    expect(groups).toHaveLength(24);
    expect(groups[12]).toMatchObject({ group: new Date(NOON_MS).toISOString(), ...sumOf(search) });
    expect(groups[8]).toMatchObject(sumOf(estimated));
  });

  it('by key, model and for one key alone', async () => {
    const { groups } = await series({ groupBy: 'key' });
    expect(groups).toEqual([
      { group: tenant.keyId, latency: null, ...sumOf(search, ads, failed, estimated) },
      { group: secondKey.keyId, latency: null, ...sumOf(untagged) },
    ]);
    expect((await series({ groupBy: 'model' })).groups).toMatchObject([{ group: PRICE.model, ...sumOf(...today) }]);
    expect((await series({ keyId: secondKey.keyId })).total).toEqual(sumOf(untagged));
    expect((await series({ model: 'another' })).total).toEqual(sumOf());
  });

  it('by project and by tag counts calls without one as null', async () => {
    const { groups, total } = await series({ groupBy: 'project' });
    expect(total).toEqual(sumOf(...today));
    expect(groups).toEqual([
      { group: projectId, latency: null, ...sumOf(search) },
      { group: null, latency: null, ...sumOf(ads, untagged, failed, estimated) },
    ]);
    const byTeam = await series({ groupBy: 'tag', tagName: 'team' });
    expect(byTeam.groups).toMatchObject([
      { group: 'search', ...sumOf(search, failed) },
      { group: 'ads', ...sumOf(ads) },
      { group: null, ...sumOf(untagged, estimated) },
    ]);
  });

  it('of one project or one value of a tag has its calls alone, and the days before too', async () => {
    const days = { fromDay: utcDay(NOON_MS - DAY_MS) };
    const ofProject = await series({ ...days, projectId });
    expect(ofProject).toMatchObject({ total: sumOf(search), isAttributed: true, latency: null });
    expect(ofProject.groups.map(({ requests }) => requests)).toEqual([0, 1]);
    expect(ofProject.previous.total).toEqual(sumOf(daysAgo));
    const ofTeam = await series({ groupBy: 'hour', tag: { name: 'team', value: 'search' } });
    expect(ofTeam.total).toEqual(sumOf(search, failed));
    expect(ofTeam.groups[9]).toMatchObject(sumOf(failed));
  });

  it.each<[string, StackBy, [string | null, RequestCompleted[]][]]>([
    ['model', { groupBy: 'model', tagName: null }, [[PRICE.model, today]]],
    [
      'key',
      { groupBy: 'key', tagName: null },
      [
        [tenant.keyId, [search, ads, failed, estimated]],
        [secondKey.keyId, [untagged]],
      ],
    ],
    [
      'project',
      { groupBy: 'project', tagName: null },
      [
        [projectId, [search]],
        [null, [ads, untagged, failed, estimated]],
      ],
    ],
    [
      'tag',
      { groupBy: 'tag', tagName: 'team' },
      [
        ['search', [search, failed]],
        ['ads', [ads]],
        [null, [untagged, estimated]],
      ],
    ],
  ])('by hour in parts of a %s: together they are every hour', async (_, stackBy, expected) => {
    const { groups, stacks } = await series({ groupBy: 'hour', stackBy });
    expect(stacks?.others).toBeNull();
    expect(stacks?.series.map(({ group, columns }) => [group, totalOf(columns)])).toEqual(
      expected.map(([group, events]) => [group, sumOf(...events)]),
    );
    for (const [at, group] of groups.entries()) expect(sumAt(stacks, at)).toEqual(onlySum(group));
  });

  it('has the dearest parts apart and all others as one, none of them lost', async () => {
    const many = newTenant();
    const ears = new SettledEars(world, 'gateway-1');
    const parts = SERIES_STACKS_MAX + 3;
    const events = Array.from({ length: parts }, (_, at) =>
      Array.from({ length: parts - at }, () => ({
        ...newEvent({ tenant: many, admittedAtMs: NOON_MS }),
        tags: { team: `team-${String(at).padStart(2, '0')}` },
      })),
    );
    await publish(world, ...events.flat());
    await waitUntil(() => events.flat().every(({ requestId }) => ears.has(requestId)), { what: 'every settle-ack' });
    const stackBy = { groupBy: 'tag', tagName: 'team' } as const;
    const { groups, stacks } = await series({ accountId: many.accountId, stackBy });
    expect(stacks?.series.map(({ group }) => group)).toEqual(
      Array.from({ length: SERIES_STACKS_MAX }, (_, at) => `team-${String(at).padStart(2, '0')}`),
    );
    expect(stacks?.others?.groups).toBe(3);
    expect(totalOf(stacks?.others?.columns as StackColumns)).toEqual(sumOf(...events.slice(SERIES_STACKS_MAX).flat()));
    expect(sumAt(stacks, 0)).toEqual(onlySum(groups[0] as SeriesSum));
  });

  it('has percentiles of latency within the bound that the contract states', async () => {
    const { latency, groups } = await series({});
    const within = (answer: number | undefined, truth: number) => Math.abs((answer ?? 0) - truth) / truth <= 0.091;
    expect(within(latency?.latencyMs?.p50, 800.5)).toBe(true);
    expect(within(latency?.latencyMs?.p99, 800.5)).toBe(true);
    expect(within(latency?.firstByteMs?.p95, 120.25)).toBe(true);
    expect(groups[0]?.latency).toEqual(latency);
  });

  it.each([
    [{ timeZone: 'Asia/Kolkata' }, 'time_zone_unsupported'],
    [{ timeZone: 'Europe/Atlantis' }, 'invalid_time_zone'],
    [{ fromDay: '2026-02-30' }, 'invalid_range'],
    [{ fromDay: '2024-01-01' }, 'invalid_range'],
    [{ groupBy: 'hour' as const, fromDay: utcDay(NOON_MS - 20 * DAY_MS) }, 'invalid_range'],
    [{ fromDay: '0001-01-01', toDay: '0001-01-02' }, 'invalid_range'],
    [{ groupBy: 'project' as const, keyId: uuid7() }, 'filter_unsupported'],
    [{ projectId: uuid7(), keyId: uuid7() }, 'filter_unsupported'],
    [{ projectId: uuid7(), tag: { name: 'team', value: 'ads' } }, 'filter_unsupported'],
    [{ projectId: uuid7(), groupBy: 'model' as const }, 'filter_unsupported'],
    [{ projectId: uuid7(), stackBy: { groupBy: 'model' as const, tagName: null } }, 'filter_unsupported'],
    [{ groupBy: 'model' as const, stackBy: { groupBy: 'key' as const, tagName: null } }, 'filter_unsupported'],
    [{ model: 'a', stackBy: { groupBy: 'tag' as const, tagName: 'team' } }, 'filter_unsupported'],
  ])('refuses %j', async (question, code) => {
    await expect(series(question)).rejects.toThrow(code);
  });

  it('of another account has nothing of ours in it', async () => {
    for (const question of [{ groupBy: 'key' as const }, { groupBy: 'tag' as const, tagName: 'team' }]) {
      const { total, groups } = await series({ ...question, accountId: stranger.accountId });
      expect(total).toEqual(sumOf(foreign));
      expect(groups).toHaveLength(1);
    }
    expect((await series({ accountId: stranger.accountId, keyId: tenant.keyId })).total).toEqual(sumOf());
  });

  it('answers for a project or tag of another account as for one that there is not', async () => {
    const asStranger = async (filter: Partial<UsageSeriesGetRequest>) => {
      const { dataThroughMs: _, ...answer } = await series({ accountId: foreigner.accountId, ...filter });
      return answer;
    };
    const foreigner = newTenant();
    expect(await asStranger({ projectId })).toEqual(await asStranger({ projectId: uuid7() }));
    const tag = (value: string) => ({ tag: { name: 'team', value } });
    expect(await asStranger(tag('search'))).toEqual(await asStranger(tag('nobody')));
    const stackBy = { groupBy: 'tag', tagName: 'team' } as const;
    expect((await asStranger({ stackBy })).stacks).toEqual({ series: [], others: null });
  });
});

describe('whoever looks at an account', () => {
  it('is told after the COMMIT, of at most two changes a second, however many calls there are', async () => {
    await waitUntil(() => told.some(({ accountId }) => accountId === tenant.accountId), { what: 'a change of the account' });
    expect(told.find(({ accountId }) => accountId === tenant.accountId)?.kinds).toEqual(['activity', 'usage', 'keys']);
    const busy = newTenant();
    for (let batch = 0; batch < 20; batch++) await publish(world, newEvent({ tenant: busy }), newEvent({ tenant: busy }));
    const ofBusy = () => told.filter(({ accountId }) => accountId === busy.accountId);
    await waitUntil(() => ofBusy().length > 0, { what: 'a change of the busy account' });
    const times = ofBusy().map(({ atMs }) => atMs);
    for (const [at, time] of times.slice(1).entries()) expect(time - (times[at] as number)).toBeGreaterThan(GATHER_MS * 0.8);
  });
});

describe('what keys spent', () => {
  it('is the booked total of the window asked for, and the latest call of any window', async () => {
    const keys = [
      { keyId: tenant.keyId, windowIndex: 1 },
      { keyId: secondKey.keyId, windowIndex: 2 },
      { keyId: stranger.keyId, windowIndex: 1 },
    ];
    const reply = await client.call(keyUsageList, { accountId: tenant.accountId, keys });
    if (!reply.ok) throw new Error(reply.message);
    const byKey = new Map(reply.keys.map((key) => [key.keyId, key]));
    expect(byKey.get(tenant.keyId)).toMatchObject({
      spentNanoUsd: sumOf(search, ads, failed, estimated).chargeNanoUsd,
      lastUsedAtMs: NOON_MS,
    });
    // The window after the one in which it was used: nothing spent, and still last used when it was.
    expect(byKey.get(secondKey.keyId)).toMatchObject({ spentNanoUsd: '0', lastUsedAtMs: untagged.admittedAtMs });
    // Of another account: as if it did not exist.
    expect(byKey.get(stranger.keyId)).toMatchObject({ spentNanoUsd: '0', lastUsedAtMs: null });
  });
});
