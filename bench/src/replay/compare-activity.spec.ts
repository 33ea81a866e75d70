import { describe, expect, it } from '@jest/globals';
import type { ActivityPage } from '@tensorloop/contracts/dashboard-api';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { type AnsweredCall, allPages, compareActivity } from './compare-activity.js';

type Row = ActivityPage['data'][number];

const keyId = uuid7();
const plan = {
  keyIndex: 0,
  model: 'gpt-4o',
  stream: true,
  includeUsage: true,
  promptTokens: 10,
  cachedTokens: 4,
  completionTokens: 3,
  reasoningTokens: 0,
  maxTokens: null,
};

function rowOf(requestId: string, changes: Partial<Row> = {}): Row {
  return {
    requestId,
    time: '2026-11-21T00:00:00.000Z',
    status: 'succeeded',
    keyId,
    key: null,
    model: 'gpt-4o',
    endpoint: 'chat.completions',
    stream: true,
    outcome: 'completed',
    httpStatus: 200,
    estimated: false,
    // Another order than the plan's, and a zero: neither is a difference.
    usage: { output: 3, output_reasoning: 0, input_cache_read: 4, input: 6 },
    costNanoUsd: '1',
    costUsd: '0.000000001',
    latencyMs: 1,
    firstByteMs: 1,
    ...changes,
  };
}

function page(data: Row[], nextCursor: string | null = null): ActivityPage {
  return { data, hasMore: nextCursor !== null, nextCursor, dataThrough: '2026-11-21T00:00:00.000Z' };
}

async function* pagesOf(...pages: ActivityPage[]) {
  yield* pages;
}

const ids = [uuid7(), uuid7(), uuid7()] as const;
const answered = new Map<string, AnsweredCall>(ids.map((id) => [id, { plan, keyId }]));

describe('compareActivity', () => {
  it('finds nothing where every call has its one row', async () => {
    const result = await compareActivity(answered, pagesOf(page([rowOf(ids[0]), rowOf(ids[1])]), page([rowOf(ids[2])])));
    expect(result).toEqual({ rows: 3, lost: 0, doubled: 0, mismatched: 0, examples: [] });
  });

  it('counts a call without a row as lost', async () => {
    expect(await compareActivity(answered, pagesOf(page([rowOf(ids[0]), rowOf(ids[2])])))).toMatchObject({
      lost: 1,
      doubled: 0,
      mismatched: 0,
    });
  });

  it('counts a second row as doubled, across pages too', async () => {
    const result = await compareActivity(answered, pagesOf(page(ids.map((id) => rowOf(id))), page([rowOf(ids[0])])));
    expect(result).toMatchObject({ lost: 0, doubled: 1, mismatched: 0 });
  });

  it.each<[string, Partial<Row>]>([
    ['tokens', { usage: { input: 7, input_cache_read: 4, output: 3 } }],
    ['a further dimension', { usage: { input: 6, input_cache_read: 4, output: 3, input_audio: 1 } }],
    ['another key', { keyId: uuid7() }],
    ['another model', { model: 'gpt-4o-mini' }],
    ['an outcome', { outcome: 'upstream_cut' }],
    ['an estimate', { estimated: true }],
  ])('counts a row that differs in %s', async (_, changes) => {
    const result = await compareActivity(answered, pagesOf(page([rowOf(ids[0], changes), rowOf(ids[1]), rowOf(ids[2])])));
    expect(result).toMatchObject({ lost: 0, mismatched: 1 });
  });

  it('counts a row of a call that nobody was answered', async () => {
    const rows = [...ids, uuid7()].map((id) => rowOf(id));
    expect(await compareActivity(answered, pagesOf(page(rows)))).toMatchObject({ lost: 0, mismatched: 1 });
  });
});

describe('allPages', () => {
  it('follows the cursor to the end', async () => {
    const pages = new Map([
      [undefined, page([rowOf(ids[0])], 'b')],
      ['b', page([rowOf(ids[1])])],
    ]);
    const rows = [];
    for await (const { data } of allPages(async (_limit, cursor) => pages.get(cursor as undefined) as ActivityPage, 10))
      rows.push(...data);
    expect(rows).toHaveLength(2);
  });

  it('does not follow a cursor that never ends', async () => {
    const drain = async () => {
      for await (const _ of allPages(
        async () =>
          page(
            ids.map((id) => rowOf(id)),
            'again',
          ),
        10,
      ));
    };
    await expect(drain()).rejects.toThrow(/more than 10 rows/);
  });
});
