import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, type INestMicroservice } from '@nestjs/common';
import { Ctx, MessagePattern, NatsContext, Payload } from '@nestjs/microservices';
import type { ActivityPage, UsageSummary } from '@tensorloop/contracts/dashboard-api';
import {
  type ActivityListReply,
  type ActivityListRequest,
  activityListRequestSchema,
  type RefusalsListReply,
  type RefusalsListRequest,
  refusalsListRequestSchema,
  type UsageSummaryGetReply,
  type UsageSummaryGetRequest,
} from '@tensorloop/contracts/rpc';
import { RPC } from '@tensorloop/contracts/subjects';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { readTraceparent } from '@tensorloop/messaging/trace-context';
import { startControlPlane, type TestControlPlane } from '../control-plane.fixture.js';
import { startMeteringDouble } from './metering-double.fixture.js';

const KEY_ID = uuid7();
const NOW_MS = Date.parse('2026-11-21T10:00:00.000Z');
const IDS = Array.from({ length: 3 }, (_, index) => uuid7(NOW_MS + index)).reverse();
const SUM = { requests: 3, inputTokens: 30, outputTokens: 60, chargeNanoUsd: '120500' };
const asked: (ActivityListRequest | RefusalsListRequest | UsageSummaryGetRequest)[] = [];
const traceparents: (string | null)[] = [];

@Controller()
class MeteringDouble {
  @MessagePattern(RPC.meteringActivityList)
  list(@Payload() payload: unknown, @Ctx() context: NatsContext): ActivityListReply {
    traceparents.push(readTraceparent(context.getHeaders()));
    const request = activityListRequestSchema.parse(payload);
    asked.push(request);
    const after = IDS.filter((id) => request.before === null || id < request.before);
    const row = {
      keyId: KEY_ID,
      model: 'gpt-4o-mini',
      endpoint: 'chat.completions',
      stream: false,
      outcome: 'completed',
      httpStatus: 200,
      estimated: false,
    } as const;
    const rows = after.slice(0, request.limit).map((requestId) => ({
      ...row,
      requestId,
      admittedAtMs: NOW_MS,
      usage: { input: 10, output: 20 },
      chargeNanoUsd: '13500',
      latencyMs: 12.5,
      firstByteMs: null,
    }));
    return { ok: true, rows, hasMore: after.length > request.limit, dataThroughMs: NOW_MS };
  }

  @MessagePattern(RPC.meteringRefusalsList)
  refusals(@Payload() payload: unknown): RefusalsListReply {
    const request = refusalsListRequestSchema.parse(payload);
    asked.push(request);
    const row = { keyId: KEY_ID, model: 'gpt-4o-mini', endpoint: 'chat.completions', code: 'budget_held' } as const;
    const times = { count: 3, firstAtMs: NOW_MS - 400, lastAtMs: NOW_MS };
    return {
      ok: true,
      rows: [{ ...row, ...times, requestId: IDS[0] as string, httpStatus: 429 }],
      hasMore: request.before === null,
      dataThroughMs: NOW_MS,
    };
  }

  @MessagePattern(RPC.meteringUsageSummaryGet)
  summary(@Payload() request: UsageSummaryGetRequest): UsageSummaryGetReply {
    asked.push(request);
    const byDay = [{ ...SUM, day: request.toDay }];
    return {
      ok: true,
      total: SUM,
      byDay,
      byModel: [{ ...SUM, model: 'gpt-4o-mini' }],
      byKey: [{ ...SUM, keyId: KEY_ID }],
      dataThroughMs: NOW_MS,
    };
  }
}

let plane: TestControlPlane;
let metering: INestMicroservice;
beforeAll(async () => {
  plane = await startControlPlane();
  metering = await startMeteringDouble(plane, MeteringDouble);
});
afterAll(async () => {
  await metering?.close();
  await plane?.close();
});

describe('activity (TL-10)', () => {
  it('is paged by an opaque cursor, newest first, for the own account only', async () => {
    const { browser, me } = await plane.signUp();
    const seen: string[] = [];
    let path = '/api/activity?limit=2';
    for (;;) {
      const { status, body } = await browser.send<ActivityPage>('GET', path);
      expect(status).toBe(200);
      seen.push(...body.data.map(({ requestId }) => requestId));
      if (!body.hasMore) break;
      expect(body.nextCursor).not.toContain(seen.at(-1));
      path = `/api/activity?limit=2&cursor=${body.nextCursor}`;
    }
    expect(seen).toEqual(IDS);
    expect(asked.at(-1)).toMatchObject({ accountId: me.account.id, limit: 2 });
  });

  it('is asked for inside the trace of the request', async () => {
    const { browser } = await plane.signUp();
    const parent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
    await browser.send('GET', '/api/activity', { headers: { traceparent: parent } });
    const span = plane.spans.findLast(({ name }) => name === 'HTTP GET');
    expect(span?.parent).toBe(parent);
    expect(traceparents.at(-1)).toBe(span?.traceparent);
  });

  it('shows money exactly', async () => {
    const { browser } = await plane.signUp();
    const { body } = await browser.send<ActivityPage>('GET', `/api/activity?keyId=${KEY_ID}&model=gpt-4o-mini`);
    expect(body.data[0]).toMatchObject({
      status: 'succeeded',
      costNanoUsd: '13500',
      costUsd: '0.0000135',
      time: '2026-11-21T10:00:00.000Z',
      usage: { input: 10, output: 20 },
    });
    expect(body.dataThrough).toBe('2026-11-21T10:00:00.000Z');
    expect(asked.at(-1)).toMatchObject({ keyId: KEY_ID, model: 'gpt-4o-mini', before: null });
  });

  it('shows refused calls when asked for them, and pages through them too', async () => {
    const { browser, me } = await plane.signUp();
    const { body } = await browser.send<ActivityPage>('GET', '/api/activity?status=refused');
    expect(body.data).toEqual([
      {
        requestId: IDS[0],
        status: 'refused',
        key: null,
        time: '2026-11-21T10:00:00.000Z',
        keyId: KEY_ID,
        model: 'gpt-4o-mini',
        endpoint: 'chat.completions',
        stream: false,
        outcome: 'refused',
        httpStatus: 429,
        estimated: false,
        usage: {},
        costNanoUsd: '0',
        costUsd: '0.00',
        latencyMs: 0,
        firstByteMs: null,
        refusal: { code: 'budget_held', count: 3, firstTime: '2026-11-21T09:59:59.600Z' },
      },
    ]);
    await browser.send('GET', `/api/activity?status=refused&cursor=${body.nextCursor}&keyId=${KEY_ID}`);
    expect(asked.at(-1)).toMatchObject({ accountId: me.account.id, before: IDS[0], keyId: KEY_ID, model: null });
  });

  it.each([
    ['?status=lost', 'invalid_request'],
    ['?cursor=made-up', 'cursor_invalid'],
    ['?limit=0', 'invalid_request'],
    ['?limit=201', 'invalid_request'],
    ['?keyId=1', 'invalid_request'],
    ['?surprise=1', 'invalid_request'],
  ])('refuses %s', async (query, code) => {
    const { browser } = await plane.signUp();
    const { status, body } = await browser.send('GET', `/api/activity${query}`);
    expect([status, body.code]).toEqual([400, code]);
  });
});

describe('usage summary', () => {
  it('sums the days asked for', async () => {
    const { browser, me } = await plane.signUp();
    const { body } = await browser.send<UsageSummary>('GET', '/api/usage/summary?from=2026-11-01&to=2026-11-20');
    const sum = { requests: 3, inputTokens: 30, outputTokens: 60, costNanoUsd: '120500', costUsd: '0.0001205' };
    expect(body).toEqual({
      from: '2026-11-01',
      to: '2026-11-20',
      total: sum,
      byDay: [{ ...sum, day: '2026-11-20' }],
      byModel: [{ ...sum, model: 'gpt-4o-mini' }],
      byKey: [{ ...sum, keyId: KEY_ID }],
      dataThrough: '2026-11-21T10:00:00.000Z',
    });
    expect(asked.at(-1)).toEqual({ accountId: me.account.id, fromDay: '2026-11-01', toDay: '2026-11-20' });
  });

  it.each(['?from=2026-02-30', '?from=2026-11-02&to=2026-11-01', '?from=2020-01-01'])('refuses %s', async (query) => {
    const { browser } = await plane.signUp();
    const { status, body } = await browser.send('GET', `/api/usage/summary${query}`);
    expect([status, body.code, body.errors?.length]).toEqual([400, 'days_invalid', 1]);
  });
});

describe('with metering down', () => {
  it('usage answers 503 with a code of its own, and the rest works', async () => {
    await metering.close();
    const { browser } = await plane.signUp();
    for (const path of ['/api/activity', '/api/activity?status=refused', '/api/usage/summary']) {
      const { status, body, headers } = await browser.send('GET', path);
      expect([status, body.code, headers.get('retry-after')]).toEqual([503, 'usage_unavailable', '5']);
    }
    expect((await browser.mint()).status).toBe(201);
    expect((await browser.send('GET', '/health/ready')).status).toBe(200);
  });
});
