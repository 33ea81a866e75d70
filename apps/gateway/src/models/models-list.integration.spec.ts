import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { GatewayFixture } from '../../test/gateway-fixture.js';
import type { TestKey } from '../../test/test-keys.js';
import { testModel } from '../../test/test-models.js';

const VERSION = { 'anthropic-version': '2023-06-01' };
const YEAR_MS = 365 * 24 * 60 * 60 * 1_000;

let fixture: GatewayFixture;
let key: TestKey;

beforeAll(async () => {
  fixture = await GatewayFixture.start({
    models: (url) => [
      testModel('claude-old', url, { endpoints: ['messages'], createdAtMs: YEAR_MS, aliases: ['claude-elder'] }),
      testModel('claude-new', url, { endpoints: ['messages'], createdAtMs: 2 * YEAR_MS }),
      testModel('claude-gone', url, { endpoints: ['messages'], isRetired: true }),
    ],
  });
  key = await fixture.addKey({ models: ['claude-old', 'claude-new', 'claude-gone', 'gpt-4o'] });
});
afterAll(() => fixture?.stop());

function get(path: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${fixture.url}/v1/models${path}`, { headers: { 'x-api-key': key.text, ...headers } });
}

interface AnthropicPage {
  data: { id: string }[];
  has_more: boolean;
  first_id: string | null;
  last_id: string | null;
}

async function page(query: string): Promise<AnthropicPage> {
  return (await (await get(query, VERSION)).json()) as AnthropicPage;
}

describe('models for clients of Anthropic’s', () => {
  it('come in its shape, the latest first, and only those of the key (TL-11)', async () => {
    const response = await get('', VERSION);
    expect(response.headers.get('request-id')).toBe(response.headers.get('x-request-id'));
    const { data, ...rest } = (await response.json()) as AnthropicPage;
    expect(data.map(({ id }) => id)).toEqual(['gpt-4o', 'claude-new', 'claude-old']);
    expect(rest).toEqual({ has_more: false, first_id: 'gpt-4o', last_id: 'claude-old' });
    expect(data[1]).toEqual({
      type: 'model',
      id: 'claude-new',
      display_name: 'claude-new',
      created_at: '1972-01-01T00:00:00Z',
      max_input_tokens: 128_000,
      max_tokens: 16_384,
      lifecycle: 'active',
      deprecated_at: null,
      retires_at: null,
      line: null,
      capabilities: null,
    });
  });

  it('come in pages of the asked size, forwards and backwards', async () => {
    const first = await page('?limit=2');
    expect(first).toMatchObject({ has_more: true, first_id: 'gpt-4o', last_id: 'claude-new' });
    expect(await page('?limit=2&after_id=claude-new')).toMatchObject({ has_more: false, data: [{ id: 'claude-old' }] });
    expect(await page('?limit=1&before_id=claude-old')).toMatchObject({ has_more: true, data: [{ id: 'claude-new' }] });
    expect(await page('?after_id=claude-old')).toEqual({ data: [], has_more: false, first_id: null, last_id: null });
  });

  it.each(['?limit=0', '?limit=1001', '?limit=x', '?after_id=nobody', '?after_id=gpt-4o&before_id=gpt-4o'])(
    'with %s are refused in its shape',
    async (query) => {
      const response = await get(query, VERSION);
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({ type: 'error', error: { type: 'invalid_request_error' } });
    },
  );

  it('are found one by one, by alias too, and are absent in its shape', async () => {
    expect(await (await get('/claude-elder', VERSION)).json()).toMatchObject({ type: 'model', id: 'claude-old' });
    const absent = await get('/claude-gone', VERSION);
    expect(absent.status).toBe(404);
    expect(await absent.json()).toMatchObject({ type: 'error', error: { type: 'not_found_error' } });
    const stranger = await get('', { ...VERSION, 'x-api-key': 'tl_short' });
    expect(stranger.status).toBe(401);
    expect(await stranger.json()).toMatchObject({ type: 'error', error: { type: 'authentication_error' } });
  });

  it('come in OpenAI’s shape to whoever does not name a version, whichever header has the key', async () => {
    const list = await (await get('')).json();
    expect(list).toMatchObject({ object: 'list', data: [{ object: 'model' }, { object: 'model' }, { object: 'model' }] });
    const bearer = await fetch(`${fixture.url}/v1/models`, { headers: { authorization: `Bearer ${key.text}` } });
    expect(await bearer.json()).toEqual(list);
  });
});
