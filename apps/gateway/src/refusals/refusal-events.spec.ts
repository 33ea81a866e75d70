import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { REFUSALS_PER_MESSAGE_MAX, type RequestRefused, requestRefusedSchema } from '@tensorloop/contracts/request-refused';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { type ApiErrorCode, apiError } from '../errors/api-error.types.js';
import { NAMED_PER_KEY_MAX, RefusalEvents, TAG_BYTES_PER_MESSAGE_MAX, TELL_INTERVAL_MS } from './refusal-events.service.js';

let told: RequestRefused[];
let dropped: number;
let isConnected: boolean;
let events: RefusalEvents;

beforeEach(() => {
  jest.useFakeTimers();
  [told, dropped, isConnected] = [[], 0, true];
  events = new RefusalEvents({
    gatewayId: 'gateway-a',
    nowMs: Date.now,
    tell: (refused) => {
      if (isConnected) told.push(requestRefusedSchema.parse(refused));
      return isConnected;
    },
    onDropped: (count) => {
      dropped += count;
    },
  });
});
afterEach(() => {
  jest.useRealTimers();
});

const caller = { accountId: uuid7(), keyId: uuid7(), model: 'gpt-4o-mini' };

function refuse(code: ApiErrorCode, change: Partial<typeof caller> = {}): string {
  const requestId = uuid7();
  events.note({ ...apiError(code, ''), caller: { ...caller, ...change } }, { requestId, endpoint: 'chat.completions' });
  return requestId;
}

describe('refused calls', () => {
  it('are told once in a while, one row for each key, model and reason', () => {
    const startMs = Date.now();
    refuse('rate_limit_exceeded');
    jest.advanceTimersByTime(TELL_INTERVAL_MS / 2);
    const last = refuse('rate_limit_exceeded');
    refuse('insufficient_quota');
    refuse('rate_limit_exceeded', { keyId: uuid7() });
    expect(told).toEqual([]);
    jest.advanceTimersByTime(TELL_INTERVAL_MS / 2);
    expect(told).toHaveLength(1);
    expect(told[0]?.refusals.map(({ code, count }) => [code, count])).toEqual([
      ['rate_limit_exceeded', 2],
      ['insufficient_quota', 1],
      ['rate_limit_exceeded', 1],
    ]);
    expect(told[0]?.refusals[0]).toMatchObject({
      ...caller,
      requestId: last,
      httpStatus: 429,
      firstAtMs: startMs,
      lastAtMs: startMs + TELL_INTERVAL_MS / 2,
    });
    jest.advanceTimersByTime(10 * TELL_INTERVAL_MS);
    expect(told).toHaveLength(1);
  });

  it('leave out the tags that would make a message larger than NATS takes', () => {
    const tags = Object.fromEntries(Array.from({ length: 16 }, (_, index) => [`tag${index}`, '😀'.repeat(64)]));
    for (let index = 0; index < REFUSALS_PER_MESSAGE_MAX; index++) {
      const call = { requestId: uuid7(), endpoint: 'chat.completions' as const };
      events.note({ ...apiError('rate_limit_exceeded', ''), caller: { ...caller, keyId: uuid7(), tags } }, call);
    }
    jest.advanceTimersByTime(TELL_INTERVAL_MS);
    const [message] = told;
    expect(message?.refusals).toHaveLength(REFUSALS_PER_MESSAGE_MAX);
    expect(message?.refusals[0]?.tags).toEqual(tags);
    expect(message?.refusals.at(-1)?.tags).toBeUndefined();
    expect(Buffer.byteLength(JSON.stringify(message))).toBeLessThan(2 * TAG_BYTES_PER_MESSAGE_MAX);
  });

  it('do not end the process when they cannot be published', () => {
    const failing = new RefusalEvents({
      gatewayId: 'gateway-a',
      nowMs: Date.now,
      tell: () => {
        throw new Error('max_payload');
      },
      onDropped: (count) => {
        dropped += count;
      },
    });
    failing.note({ ...apiError('rate_limit_exceeded', ''), caller }, { requestId: uuid7(), endpoint: 'chat.completions' });
    jest.advanceTimersByTime(TELL_INTERVAL_MS);
    expect(dropped).toBe(1);
  });

  it('of nobody in particular are not told', () => {
    events.note(apiError('invalid_api_key', ''), { requestId: uuid7(), endpoint: 'embeddings' });
    expect(jest.getTimerCount()).toBe(0);
  });

  it('of any number and kind take bounded room, and what has none is counted', () => {
    const first = uuid7();
    refuse('model_not_allowed', { keyId: first });
    for (let index = 0; index < 3 * REFUSALS_PER_MESSAGE_MAX - 1; index++) refuse('model_not_allowed', { keyId: uuid7() });
    refuse('model_not_allowed', { keyId: first });
    jest.advanceTimersByTime(TELL_INTERVAL_MS);
    expect(told[0]?.refusals).toHaveLength(REFUSALS_PER_MESSAGE_MAX);
    expect(told[0]?.refusals[0]?.count).toBe(2);
    expect(dropped).toBe(2 * REFUSALS_PER_MESSAGE_MAX);
  });

  it('of one key do not crowd out those of others, whatever models it makes up', () => {
    for (let index = 0; index < 3 * REFUSALS_PER_MESSAGE_MAX; index++)
      refuse('model_not_allowed', { model: `made up ${index}` });
    refuse('model_not_allowed', { model: 'made up 0' });
    const other = { keyId: uuid7(), model: 'gpt-4o' };
    refuse('model_not_allowed', other);
    jest.advanceTimersByTime(TELL_INTERVAL_MS);
    const [mine, others] = [true, false].map((isMine) =>
      told[0]?.refusals.filter(({ keyId }) => (keyId === caller.keyId) === isMine),
    );
    expect(others).toMatchObject([other]);
    expect(mine).toHaveLength(NAMED_PER_KEY_MAX + 1);
    expect(mine?.[0]).toMatchObject({ model: 'made up 0', count: 2 });
    expect(mine?.at(-1)).toMatchObject({ model: '', count: 3 * REFUSALS_PER_MESSAGE_MAX - NAMED_PER_KEY_MAX });
    expect(dropped).toBe(0);
    refuse('model_not_allowed', { model: 'made up 999' });
    jest.advanceTimersByTime(TELL_INTERVAL_MS);
    expect(told[1]?.refusals).toMatchObject([{ model: 'made up 999' }]);
  });

  it('name a model that can be written down, whatever the client called it', () => {
    let raw: RequestRefused | null = null;
    const tell = (refused: RequestRefused) => {
      raw = refused;
      return true;
    };
    events = new RefusalEvents({ gatewayId: 'gateway-a', nowMs: Date.now, tell, onDropped: () => undefined });
    refuse('model_not_found', { model: 'x\u0000\ud800' });
    events.beforeApplicationShutdown();
    expect(raw).toMatchObject({ refusals: [{ model: 'x\ufffd\ufffd' }] });
  });

  it('while NATS is away are counted and forgotten', () => {
    isConnected = false;
    refuse('rate_limit_exceeded', { model: 'x'.repeat(1_000) });
    refuse('rate_limit_exceeded', { model: 'x'.repeat(1_000) });
    jest.advanceTimersByTime(TELL_INTERVAL_MS);
    expect([told, dropped]).toEqual([[], 2]);
  });
});
