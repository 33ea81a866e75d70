import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newAccountTag, newKeyText } from '@tensorloop/kernel/key-text';
import { GatewayFixture } from '../../test/gateway-fixture.js';
import type { TestKey } from '../../test/test-keys.js';
import { testModel } from '../../test/test-models.js';

const PICTURE = { role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://x.test/a.png' } }] };

let fixture: GatewayFixture;
let allowed: TestKey;
let other: TestKey;
let revoked: TestKey;

beforeAll(async () => {
  fixture = await GatewayFixture.start({
    models: (url) => [testModel('blind', url, { aliases: ['sightless'] }), testModel('unpriced', url)],
    rates: { unpriced: { output: '1' } },
  });
  allowed = await fixture.addKey({ models: ['blind', 'unpriced'] });
  other = await fixture.addKey({ models: ['gpt-4o-mini'] });
  revoked = await fixture.addKey({ models: ['*'] });
  await fixture.project(revoked, { isRevoked: true });
});

afterAll(async () => {
  await fixture?.stop();
});

async function refusal(key: TestKey | string, body: object) {
  const response = await fixture.chat(key, body);
  const { error } = (await response.json()) as { error: { code: string; message: string } };
  return { status: response.status, ...error };
}

describe('what is wrong with a model (spec TL-3, TL-8)', () => {
  it.each([
    ['what it does not take', { model: 'blind', messages: [PICTURE] }, { status: 400, code: 'unsupported_content' }],
    ['its lack of a price', { model: 'unpriced' }, { status: 503, code: 'model_not_priced' }],
  ])('(%s) is told to keys that may use it, and to nobody else', async (_what, body, told) => {
    expect(await refusal(allowed, body)).toMatchObject(told);
    expect(await refusal(other, body)).toMatchObject({ status: 403, code: 'model_not_allowed' });
    expect(await refusal(revoked, body)).toMatchObject({ status: 401, code: 'invalid_api_key' });
  });

  it('is not told to a key that nobody minted', async () => {
    const text = newKeyText(newAccountTag());
    const answer = await refusal(text, { model: 'blind', messages: [PICTURE] });
    expect(['invalid_api_key', 'key_lookup_unavailable']).toContain(answer.code);
  });

  it('is told of an alias by that name alone: what it stands for is nobody’s business who may not use it', async () => {
    for (const messages of [[PICTURE], [{ role: 'user', content: 'hi' }]]) {
      const answer = await refusal(other, { model: 'sightless', messages });
      expect(answer).toMatchObject({ status: 403, code: 'model_not_allowed' });
      expect(answer.message).toContain('"sightless"');
      expect(answer.message).not.toContain('blind');
    }
  });
});
