import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { KeyProjection } from '@tensorloop/contracts/key-projection';
import { type Refusal, requestRefusedSchema } from '@tensorloop/contracts/request-refused';
import { REQUEST_REFUSED_SUBJECT } from '@tensorloop/contracts/subjects';
import { newAccountTag, newKeyText } from '@tensorloop/kernel/key-text';
import { type NatsLink, openNatsLink } from '@tensorloop/messaging/connection';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { GatewayFixture } from '../../test/gateway-fixture.js';
import type { TestKey } from '../../test/test-keys.js';

let fixture: GatewayFixture;
let link: NatsLink;
const heard: Refusal[] = [];

beforeAll(async () => {
  fixture = await GatewayFixture.start();
  link = openNatsLink({ url: fixture.nats.url, name: 'test' });
  const connection = await link.ready;
  connection.subscribe(REQUEST_REFUSED_SUBJECT, {
    callback: (_, msg) => {
      const message = requestRefusedSchema.parse(msg.json());
      expect(message.gatewayId).toBe(fixture.gatewayId);
      heard.push(...message.refusals);
    },
  });
  await connection.flush();
});
afterAll(async () => {
  await link?.close();
  await fixture?.stop();
});

interface Refused {
  httpStatus: number;
  limits: Partial<KeyProjection>;
  body: { model?: string; messages?: number };
}

function heardOf({ projection }: TestKey): Promise<Refusal> {
  return waitUntil(() => heard.find(({ keyId }) => keyId === projection.keyId), { what: 'the refusal' });
}

describe('refused calls of a known key', () => {
  it.each([
    ['rate_limit_exceeded', { httpStatus: 429, limits: { rpm: 1 }, body: {} }],
    ['insufficient_quota', { httpStatus: 429, limits: { budgetNanoUsd: '1' }, body: {} }],
    ['model_not_allowed', { httpStatus: 403, limits: {}, body: { model: 'made up' } }],
    ['model_not_allowed', { httpStatus: 403, limits: {}, body: { model: 'gpt-4o' } }],
    ['invalid_api_key', { httpStatus: 401, limits: { isRevoked: true }, body: {} }],
    ['invalid_value', { httpStatus: 400, limits: {}, body: { messages: 5 } }],
  ])('for %s are told to metering with whose they were', async (code, { httpStatus, limits, body }: Refused) => {
    const key = await fixture.addKey(limits);
    if (code === 'rate_limit_exceeded') await (await fixture.chat(key, {})).text();
    const response = await fixture.chat(key, body);
    expect(response.status).toBe(httpStatus);
    expect(await heardOf(key)).toMatchObject({
      requestId: response.headers.get('x-request-id'),
      accountId: key.projection.accountId,
      endpoint: 'chat.completions',
      model: body.messages === undefined ? (body.model ?? 'gpt-4o-mini') : '',
      code,
      httpStatus,
      count: 1,
    });
  });

  it('are gathered, and those that nobody is known for are not told', async () => {
    const before = heard.length;
    const key = await fixture.addKey({ models: [] });
    const stranger = newKeyText(newAccountTag());
    const all = await Promise.all([
      fixture.chat(stranger, {}),
      fixture.chat('tl_none', {}),
      fixture.chat(key, {}),
      fixture.chat(key, {}),
    ]);
    expect(all.map(({ status }) => status).filter((status) => status === 403)).toHaveLength(2);
    await heardOf(key);
    const told = heard.slice(before);
    expect(told.map(({ keyId }) => keyId)).toEqual(told.map(() => key.projection.keyId));
    expect(told.reduce((sum, { count }) => sum + count, 0)).toBe(2);
  });
});
