import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, type INestMicroservice } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import type { ActivityDetail } from '@tensorloop/contracts/api/activity';
import type { UsageSeries } from '@tensorloop/contracts/api/usage';
import type { ActivityPage } from '@tensorloop/contracts/dashboard-api';
import type {
  ActivityListReply,
  ActivityListRequest,
  RefusalsListReply,
  RefusalsListRequest,
  RequestGetReply,
  RequestGetRequest,
} from '@tensorloop/contracts/rpc';
import { RPC } from '@tensorloop/contracts/subjects';
import type { UsageSeriesGetReply, UsageSeriesGetRequest } from '@tensorloop/contracts/usage-series';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { startControlPlane, type TestBrowser, type TestControlPlane } from '../control-plane.fixture.js';
import { startMeteringDouble } from './metering-double.fixture.js';

const NOW_MS = Date.parse('2026-11-21T10:00:00.000Z');
const KEY_ID = uuid7();
const PROJECT_ID = uuid7();
const PAGE_ROWS = 200;

const ROW = {
  keyId: KEY_ID,
  model: 'gpt-4o-mini',
  endpoint: 'chat.completions',
  stream: false,
  outcome: 'completed',
  httpStatus: 200,
  estimated: false,
  admittedAtMs: NOW_MS,
  usage: { input: 10, output: 20 },
  chargeNanoUsd: '13500',
  latencyMs: 12.5,
  firstByteMs: null,
  tags: { team: '=HYPERLINK("http://evil")', note: 'a,"b"' },
} as const;
const BOOKED = { ...ROW, requestId: uuid7(), projectId: PROJECT_ID };
const REFUSED = {
  ...{ requestId: uuid7(), keyId: KEY_ID, model: '=1+1\n', code: 'budget_exceeded', httpStatus: 429 },
  count: 2,
};
const SUM = { requests: 3, failed: 1, inputTokens: 30, outputTokens: 60, chargeNanoUsd: '120500' };
const PERIOD = { fromDay: '2026-11-21', toDay: '2026-11-21', startMs: NOW_MS, endMs: NOW_MS + 86_400_000 };

/** What metering was asked, and what it answers next. */
class Double {
  asked: (ActivityListRequest | RefusalsListRequest | UsageSeriesGetRequest | RequestGetRequest)[] = [];
  pages = 1;
  keyId: string = KEY_ID;
  /** Of the page with this number there is no answer. */
  failsAtPage = Number.POSITIVE_INFINITY;
  private page = 0;

  reset(pages: number, failsAtPage = Number.POSITIVE_INFINITY): void {
    Object.assign(this, { pages, failsAtPage, page: 0, asked: [] });
  }

  list(request: ActivityListRequest): ActivityListReply {
    this.asked.push(request);
    this.page += 1;
    if (this.page >= this.failsAtPage) return { ok: false, code: 'internal_error', message: 'the service failed' };
    const rows = Array.from({ length: PAGE_ROWS }, () => ({ ...ROW, keyId: this.keyId, requestId: uuid7() }));
    return { ok: true, rows, hasMore: this.page < this.pages, dataThroughMs: NOW_MS };
  }
}
const metering = new Double();

@Controller()
class MeteringDouble {
  @MessagePattern(RPC.meteringActivityList)
  list(@Payload() request: ActivityListRequest): ActivityListReply {
    return metering.list(request);
  }

  @MessagePattern(RPC.meteringRefusalsList)
  refusals(@Payload() request: RefusalsListRequest): RefusalsListReply {
    metering.asked.push(request);
    const isFound = request.requestId === undefined || request.requestId === REFUSED.requestId;
    const rows = [{ ...REFUSED, endpoint: 'chat.completions' as const, firstAtMs: NOW_MS - 400, lastAtMs: NOW_MS }];
    return { ok: true, rows: isFound ? rows : [], hasMore: false, dataThroughMs: NOW_MS };
  }

  @MessagePattern(RPC.meteringRequestGet)
  get(@Payload() request: RequestGetRequest): RequestGetReply {
    metering.asked.push(request);
    if (request.requestId !== BOOKED.requestId) return { ok: true, found: false };
    const lines = [{ dimension: 'input' as const, quantity: 10, unitPrice: '0.15', amountNanoUsd: '1500' }];
    const attempts = [{ provider: 'openai', upstreamModel: 'mini', status: 200, failure: null, latencyMs: 11 }];
    return { ok: true, found: true, request: { ...BOOKED, completedAtMs: NOW_MS + 12, lines, attempts } };
  }

  @MessagePattern(RPC.meteringUsageSeriesGet)
  series(@Payload() request: UsageSeriesGetRequest): UsageSeriesGetReply {
    metering.asked.push(request);
    if (request.timeZone === 'Asia/Kolkata')
      return { ok: false, code: 'time_zone_unsupported', message: 'days begin within an hour' };
    const isByKey = request.groupBy === 'key';
    const group = isByKey ? { group: metering.keyId, ...SUM } : { group: '2026-11-21', startMs: NOW_MS, ...SUM };
    return {
      ok: true,
      period: PERIOD,
      total: SUM,
      latency: { latencyMs: { p50: 880, p95: 1_200, p99: 1_200 }, firstByteMs: null },
      groups: [{ ...group, latency: null }],
      others: { groups: 2, ...SUM },
      previous: { ...PERIOD, total: SUM, groups: [group] },
      dataThroughMs: NOW_MS,
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

describe('one call (TL-10)', () => {
  it('is shown with its charge lines, attempts and times', async () => {
    const { browser, me } = await plane.signUp();
    const { status, body } = await browser.send<ActivityDetail>('GET', `/api/activity/${BOOKED.requestId}`);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      requestId: BOOKED.requestId,
      projectId: PROJECT_ID,
      tags: ROW.tags,
      time: '2026-11-21T10:00:00.000Z',
      completedAt: '2026-11-21T10:00:00.012Z',
      lines: [{ dimension: 'input', quantity: 10, unitPriceUsd: '0.15', costNanoUsd: '1500', costUsd: '0.0000015' }],
      attempts: [{ provider: 'openai', status: 200, latencyMs: 11 }],
    });
    expect(metering.asked.at(-1)).toEqual({ accountId: me.account.id, requestId: BOOKED.requestId });
  });

  it('that was refused is found too', async () => {
    const { browser } = await plane.signUp();
    const { body } = await browser.send<ActivityDetail>('GET', `/api/activity/${REFUSED.requestId}`);
    expect(body).toMatchObject({ outcome: 'refused', refusal: { code: 'budget_exceeded', count: 2 }, lines: [], attempts: [] });
  });

  it.each([uuid7(), uuid7()])('of nobody, or of another account, is not there (%s)', async (id) => {
    const { browser } = await plane.signUp();
    const { status, body } = await browser.send('GET', `/api/activity/${id}`);
    expect([status, body.code]).toEqual([404, 'call_not_found']);
  });
});

describe('the key of a call (TL-10)', () => {
  it('is shown by the name that its account gave it, and to no other account', async () => {
    const [{ browser }, stranger] = [await plane.signUp(), await plane.signUp()];
    const { body: key } = await browser.mint({ name: 'nightly batch' });
    metering.keyId = key.id;
    const rows = async (by: TestBrowser) => (await by.send<ActivityPage>('GET', '/api/activity')).body.data;
    const shown = new Set((await rows(browser)).map((row) => JSON.stringify(row.key)));
    expect([...shown].map((text) => JSON.parse(text))).toEqual([{ id: key.id, name: 'nightly batch', preview: key.preview }]);
    expect(new Set((await rows(stranger.browser)).map((row) => row.key))).toEqual(new Set([null]));
    await browser.send('DELETE', `/api/keys/${key.id}`);
    expect((await rows(browser))[0]?.key?.name).toBe('nightly batch');
  });

  it('labels its group of a series', async () => {
    const [{ browser }, stranger] = [await plane.signUp(), await plane.signUp()];
    const { body: key } = await browser.mint({ name: 'nightly batch' });
    metering.keyId = key.id;
    const series = async (by: TestBrowser) => (await by.send<UsageSeries>('GET', '/api/usage/series?groupBy=key')).body;
    const { data, previous } = await series(browser);
    expect(data).toMatchObject([{ group: key.id, label: 'nightly batch' }]);
    expect(previous.data).toMatchObject([{ group: key.id, label: 'nightly batch' }]);
    expect((await series(stranger.browser)).data).toMatchObject([{ group: key.id, label: null }]);
    expect((await browser.send<UsageSeries>('GET', '/api/usage/series?groupBy=day')).body.data[0]).not.toHaveProperty('label');
  });
});

describe('filters (TL-10)', () => {
  it('all reach metering, instants of any offset as UTC', async () => {
    const { browser, me } = await plane.signUp();
    const range = 'from=2026-11-21T10:00:00%2B01:00&to=2026-11-21T10:00:00Z';
    const query = `status=failed&keyId=${KEY_ID}&model=m&projectId=${PROJECT_ID}&tag=team%3Da%3Db&requestId=${BOOKED.requestId}&${range}`;
    expect((await browser.send('GET', `/api/activity?${query}`)).status).toBe(200);
    expect(metering.asked.at(-1)).toEqual({
      accountId: me.account.id,
      before: null,
      limit: 50,
      status: 'failed',
      keyId: KEY_ID,
      model: 'm',
      projectId: PROJECT_ID,
      tag: { name: 'team', value: 'a=b' },
      requestId: BOOKED.requestId,
      fromMs: NOW_MS - 3_600_000,
      toMs: NOW_MS,
    });
  });

  it.each([
    ['from=2026-11-21T10:00:00Z&to=2026-11-21T10:00:00Z', 'time_range_invalid'],
    ['from=yesterday', 'invalid_request'],
    ['tag=team', 'invalid_request'],
    ['tag=Team%3Dx', 'invalid_request'],
    ['status=lost', 'invalid_request'],
    ['requestId=1', 'invalid_request'],
  ])('that cannot hold are refused: %s', async (query, code) => {
    const { browser } = await plane.signUp();
    for (const path of ['/api/activity', '/api/activity/export.csv']) {
      const { status, body } = await browser.send('GET', `${path}?${query}`);
      expect([status, body.code]).toEqual([400, code]);
    }
  });
});

describe('the CSV export', () => {
  it('has every call of every page once, as quoted text in which no cell is a formula', async () => {
    metering.reset(3);
    const { browser, me } = await plane.signUp();
    const { status, headers, text } = await browser.send('GET', '/api/activity/export.csv?tag=team%3Dx');
    expect(status).toBe(200);
    expect(headers.get('content-disposition')).toBe('attachment; filename="activity.csv"');
    const lines = text.split('\r\n');
    expect(lines).toHaveLength(1 + 3 * PAGE_ROWS + 1);
    expect(lines.at(-1)).toBe('');
    expect(lines[1]).toContain(
      `,"gpt-4o-mini","chat.completions",false,10,20,"{""input"":10,""output"":20}","0.0000135","13500",12.5,,`,
    );
    expect(lines[1]?.endsWith(`"{""team"":""=HYPERLINK(\\""http://evil\\"")"",""note"":""a,\\""b\\""""}"`)).toBe(true);
    const asked = metering.asked as ActivityListRequest[];
    expect(asked.map(({ accountId, tag }) => [accountId, tag?.value])).toEqual(asked.map(() => [me.account.id, 'x']));
    expect(asked.map(({ before }) => before === null)).toEqual([true, false, false]);
  });

  it('marks what a spreadsheet would take for a formula', async () => {
    const { browser } = await plane.signUp();
    const { text } = await browser.send('GET', '/api/activity/export.csv?status=refused');
    // What a client made up has no control characters by then.
    expect(text).toContain(`,"'=1+1\ufffd",`);
  });

  it('breaks off where metering does, instead of ending as if it were whole', async () => {
    metering.reset(5, 3);
    const { browser } = await plane.signUp();
    await expect(browser.send('GET', '/api/activity/export.csv')).rejects.toThrow();
  });

  it('of more calls than a file holds says so in its last row', async () => {
    metering.reset(1_000);
    const { browser } = await plane.signUp();
    const { text } = await browser.send('GET', '/api/activity/export.csv');
    const lines = text.trimEnd().split('\r\n');
    expect(lines).toHaveLength(1 + 100_000 + 1);
    expect(lines.at(-1)).toMatch(/^"?INCOMPLETE: a file holds 100000 calls/);
  });

  it('is a problem and no file when metering does not answer at all', async () => {
    metering.reset(1, 1);
    const { browser } = await plane.signUp();
    const { status, body } = await browser.send('GET', '/api/activity/export.csv');
    expect([status, body.code]).toEqual([503, 'usage_unavailable']);
    metering.reset(1);
  });
});

describe('the usage series (TL-6)', () => {
  it('is shown with the period before it and exact money', async () => {
    const { browser, me } = await plane.signUp();
    const query = 'groupBy=tag:team&from=2026-11-20&to=2026-11-21&timeZone=Europe/Berlin';
    const { body } = await browser.send<UsageSeries>('GET', `/api/usage/series?${query}`);
    const { chargeNanoUsd, ...counts } = SUM;
    const sum = { ...counts, costNanoUsd: chargeNanoUsd, costUsd: '0.0001205' };
    expect(body).toMatchObject({
      groupBy: 'tag:team',
      timeZone: 'Europe/Berlin',
      start: '2026-11-21T10:00:00.000Z',
      total: sum,
      latency: { latencyMs: { p95: 1_200 }, firstByteMs: null },
      data: [{ group: '2026-11-21', start: '2026-11-21T10:00:00.000Z', latency: null, ...sum }],
      others: { groups: 2, ...sum },
      previous: { total: sum, data: [{ group: '2026-11-21', ...sum }] },
      dataThrough: '2026-11-21T10:00:00.000Z',
    });
    expect(metering.asked.at(-1)).toEqual({
      accountId: me.account.id,
      ...{ groupBy: 'tag', tagName: 'team', fromDay: '2026-11-20', toDay: '2026-11-21', timeZone: 'Europe/Berlin' },
      ...{ keyId: null, model: null },
    });
  });

  it('is of 30 days of the time zone unless told otherwise', async () => {
    const { browser } = await plane.signUp();
    await browser.send('GET', '/api/usage/series?groupBy=day&to=2026-11-21');
    expect(metering.asked.at(-1)).toMatchObject({ fromDay: '2026-10-23', toDay: '2026-11-21', timeZone: 'UTC' });
  });

  it.each([
    ['groupBy=week', 'invalid_request'],
    ['groupBy=tag:', 'invalid_request'],
    ['groupBy=day&timeZone=Mars/Olympus', 'time_zone_invalid'],
    ['groupBy=day&timeZone=Asia/Kolkata', 'time_zone_invalid'],
    ['', 'invalid_request'],
  ])('is refused for %s', async (query, code) => {
    const { browser } = await plane.signUp();
    const { status, body } = await browser.send('GET', `/api/usage/series?${query}`);
    expect([status, body.code]).toEqual([400, code]);
  });
});
