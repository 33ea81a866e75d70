import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, type INestMicroservice } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import type { ActivityDetail } from '@tensorloop/contracts/api/activity';
import type { KeyMinted, KeyPage } from '@tensorloop/contracts/api/keys';
import type { UsageSeries } from '@tensorloop/contracts/api/usage';
import type { ActivityPage, UsageSummary } from '@tensorloop/contracts/dashboard-api';
import type {
  ActivityListReply,
  ActivityListRequest,
  KeyUsageListReply,
  KeyUsageListRequest,
  RefusalsListReply,
  RefusalsListRequest,
  RequestGetReply,
} from '@tensorloop/contracts/rpc';
import { RPC } from '@tensorloop/contracts/subjects';
import type { UsageSeriesGetReply, UsageSeriesGetRequest } from '@tensorloop/contracts/usage-series';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { startControlPlane, type TestControlPlane } from '../control-plane.fixture.js';
import { startMeteringDouble } from './metering-double.fixture.js';

const NOW_MS = Date.parse('2026-11-21T10:00:00.000Z');
const DAY_MS = 86_400_000;
const KEY_ID = uuid7();
const PROJECT_ID = uuid7();
const CALLS = 7;
/** Every third of them was refused. */
const IDS = Array.from({ length: CALLS }, (_, at) => uuid7(NOW_MS + at)).reverse();
const refused = IDS.filter((_, at) => at % 3 === 1);
const admitted = IDS.filter((id) => !refused.includes(id));
const SUM = { requests: 3, failed: 1, inputTokens: 30, outputTokens: 60, chargeNanoUsd: '120500' };
const NONE = { requests: 0, failed: 0, inputTokens: 0, outputTokens: 0, chargeNanoUsd: '0' };
const PERIOD = { fromDay: '2026-11-20', toDay: '2026-11-21', startMs: NOW_MS - DAY_MS, endMs: NOW_MS + DAY_MS };
const COLUMNS = {
  requests: [0, 3],
  failed: [0, 1],
  inputTokens: [0, 30],
  outputTokens: [0, 60],
  chargeNanoUsd: ['0', '120500'],
};

const state = { isOldRelease: false, hasRefusals: true };
const asked: UsageSeriesGetRequest[] = [];

function pageOf(ids: readonly string[], { before, limit }: Pick<ActivityListRequest, 'before' | 'limit'>) {
  const after = ids.filter((id) => before === null || id < before);
  return { ids: after.slice(0, limit), hasMore: after.length > limit };
}

@Controller()
class MeteringDouble {
  @MessagePattern(RPC.meteringActivityList)
  list(@Payload() request: ActivityListRequest): ActivityListReply {
    const { ids, hasMore } = pageOf(admitted, request);
    const row = {
      keyId: KEY_ID,
      model: 'gpt-4o-mini',
      endpoint: 'chat.completions',
      stream: false,
      outcome: 'completed',
    } as const;
    const figures = { httpStatus: 200, estimated: false, usage: {}, chargeNanoUsd: '1', latencyMs: 1, firstByteMs: null };
    const rows = ids.map((requestId) => ({ ...row, ...figures, requestId, admittedAtMs: NOW_MS }));
    return { ok: true, rows, hasMore, dataThroughMs: NOW_MS - 1 };
  }

  @MessagePattern(RPC.meteringRefusalsList)
  refusals(@Payload() request: RefusalsListRequest): RefusalsListReply {
    if (!state.hasRefusals) return { ok: false, code: 'internal_error', message: 'the service failed' };
    const { ids, hasMore } = pageOf(refused, request);
    const row = {
      keyId: KEY_ID,
      model: 'gpt-4o-mini',
      endpoint: 'chat.completions',
      code: 'budget_held',
      httpStatus: 429,
    } as const;
    const rows = ids.map((requestId) => ({ ...row, requestId, count: 1, firstAtMs: NOW_MS, lastAtMs: NOW_MS }));
    return { ok: true, rows, hasMore, dataThroughMs: NOW_MS };
  }

  @MessagePattern(RPC.meteringKeyUsageList)
  keyUsage(@Payload() { keys }: KeyUsageListRequest): KeyUsageListReply {
    const rows = keys.map(({ keyId }) => ({ keyId, spentNanoUsd: '0', lastUsedAtMs: NOW_MS - DAY_MS }));
    return { ok: true, keys: rows, dataThroughMs: NOW_MS + 34_567 };
  }

  @MessagePattern(RPC.meteringRequestGet)
  get(): RequestGetReply {
    return { ok: true, found: false, dataThroughMs: NOW_MS };
  }

  @MessagePattern(RPC.meteringUsageSeriesGet)
  series(@Payload() request: UsageSeriesGetRequest): UsageSeriesGetReply {
    asked.push(request);
    const day = (at: number) => ({ group: at === 0 ? '2026-11-20' : '2026-11-21', startMs: NOW_MS + (at - 1) * DAY_MS });
    const known = {
      isAttributed: request.projectId !== undefined || request.tag !== undefined,
      ...(request.stackBy === undefined
        ? {}
        : { stacks: { series: [{ group: KEY_ID, columns: COLUMNS }], others: { groups: 2, columns: COLUMNS } } }),
    };
    return {
      ok: true,
      period: PERIOD,
      total: SUM,
      latency: null,
      groups: [
        { ...day(0), ...NONE, latency: null },
        { ...day(1), ...SUM, latency: null },
      ],
      others: null,
      previous: { ...PERIOD, total: NONE, groups: [] },
      dataThroughMs: NOW_MS,
      ...(state.isOldRelease ? {} : known),
    };
  }
}

let plane: TestControlPlane;
let service: INestMicroservice;
beforeAll(async () => {
  plane = await startControlPlane();
  service = await startMeteringDouble(plane, MeteringDouble);
});
afterAll(async () => {
  await service?.close();
  await plane?.close();
});

describe('admitted and refused calls in one list (TL-10)', () => {
  it('are in the order of their ids over all pages, none twice and none left out', async () => {
    const { browser } = await plane.signUp();
    for (const limit of [1, 2, 3, 50]) {
      const seen: ActivityPage['data'] = [];
      let cursor: string | null = '';
      for (let pages = 0; cursor !== null && pages <= CALLS; pages++) {
        const path: string = `/api/activity?status=all&limit=${limit}${cursor === '' ? '' : `&cursor=${cursor}`}`;
        const { body } = await browser.send<ActivityPage>('GET', path);
        expect(body.dataThrough).toBe(new Date(NOW_MS - 1).toISOString());
        seen.push(...body.data);
        cursor = body.nextCursor;
      }
      expect(seen.map(({ requestId }) => requestId)).toEqual(IDS);
      expect(seen.filter(({ outcome }) => outcome === 'refused')).toHaveLength(refused.length);
    }
  });

  it('is not shown with one kind missing', async () => {
    const { browser } = await plane.signUp();
    state.hasRefusals = false;
    const { status, body } = await browser.send<{ code: string }>('GET', '/api/activity?status=all');
    state.hasRefusals = true;
    expect([status, body.code]).toEqual([503, 'usage_unavailable']);
  });

  it('a file of them says in a header up to when every call is in it', async () => {
    const { browser } = await plane.signUp();
    const { status, text, headers } = await browser.send('GET', '/api/activity/export.csv?status=all');
    expect(status).toBe(200);
    expect(headers.get('x-data-through')).toBe(new Date(NOW_MS - 1).toISOString());
    expect(text.trim().split('\r\n')).toHaveLength(CALLS + 1);
  });

  it('one call says it in its answer', async () => {
    const { browser } = await plane.signUp();
    const { body } = await browser.send<ActivityDetail>('GET', `/api/activity/${refused[0]}`);
    expect(body).toMatchObject({ dataThrough: new Date(NOW_MS).toISOString() });
  });
});

describe('sums in parts, of a project and of a tag (TL-6)', () => {
  it('a series has its parts beside its days, with the names of keys that there are', async () => {
    const { browser, me } = await plane.signUp();
    const { status, body } = await browser.send<UsageSeries>('GET', '/api/usage/series?groupBy=day&stackBy=key');
    expect(status).toBe(200);
    const cost = { costNanoUsd: '120500', costUsd: '0.0001205' };
    const parts = { requests: 3, failed: 1, inputTokens: 30, outputTokens: 60, ...cost };
    expect(body.stacks).toEqual({
      stackBy: 'key',
      series: [{ group: KEY_ID, label: null, total: parts, data: [expect.objectContaining({ requests: 0 }), parts] }],
      others: { groups: 2, total: parts, data: [expect.objectContaining({ costNanoUsd: '0' }), parts] },
    });
    expect(asked.at(-1)).toMatchObject({ accountId: me.account.id, stackBy: { groupBy: 'key', tagName: null } });
    const plain = await browser.send<UsageSeries>('GET', '/api/usage/series?groupBy=day');
    expect(plain.body.stacks).toBeNull();
  });

  it('a summary of a project or tag has its days and no parts that are not kept', async () => {
    const { browser, me } = await plane.signUp();
    for (const filter of [`projectId=${PROJECT_ID}`, 'tag=team%3Dsearch']) {
      const { status, body } = await browser.send<UsageSummary>('GET', `/api/usage/summary?${filter}`);
      expect(status).toBe(200);
      expect(body).toMatchObject({ total: { requests: 3, costNanoUsd: '120500' }, byModel: null, byKey: null });
      expect(body.byDay).toMatchObject([{ day: '2026-11-21', requests: 3 }]);
      expect(asked.at(-1)).toMatchObject({ accountId: me.account.id, groupBy: 'day', timeZone: 'UTC' });
    }
    expect(asked.at(-1)?.tag).toEqual({ name: 'team', value: 'search' });
    const both = await browser.send<{ code: string }>('GET', `/api/usage/summary?projectId=${PROJECT_ID}&tag=a%3Db`);
    expect([both.status, both.body.code]).toEqual([400, 'filter_unsupported']);
  });

  it('a metering that does not know a filter yet is never taken at its word', async () => {
    const { browser } = await plane.signUp();
    state.isOldRelease = true;
    const paths = [
      `/api/usage/summary?projectId=${PROJECT_ID}`,
      '/api/usage/series?groupBy=day&tag=team%3Dsearch',
      '/api/usage/series?groupBy=day&stackBy=model',
    ];
    const codes = [];
    for (const path of paths) codes.push((await browser.send<{ code: string }>('GET', path)).body.code);
    state.isOldRelease = false;
    expect(codes).toEqual(paths.map(() => 'usage_unavailable'));
  });

  it.each(['stackBy=day', 'stackBy=tag:', 'tag=team', 'projectId=1'])('refuses %s', async (query) => {
    const { browser } = await plane.signUp();
    expect((await browser.send('GET', `/api/usage/series?groupBy=day&${query}`)).status).toBe(400);
  });
});

describe('what keys have spent (TL-6)', () => {
  it('says by full minutes up to when their last uses are known, so that an unchanged list keeps its entity tag', async () => {
    const { browser } = await plane.signUp();
    const minted = { body: (await browser.mint()).body as unknown as KeyMinted };
    expect(minted.body.dataThrough).toBe(minted.body.createdAt);
    const first = await browser.send<KeyPage>('GET', '/api/keys');
    expect(first.body.data).toMatchObject([
      {
        lastUsedAt: new Date(NOW_MS - DAY_MS).toISOString(),
        lastUsedKnown: true,
        dataThrough: new Date(NOW_MS).toISOString(),
      },
    ]);
    const again = await browser.send('GET', '/api/keys');
    expect(again.headers.get('etag')).toBe(first.headers.get('etag'));
  });
});
