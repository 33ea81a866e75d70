import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openAiErrorSchema } from '@tensorloop/contracts/openai-error';
import { setAccountPlan } from '@tensorloop/db/operator';
import { newAccountTag, newKeyText } from '@tensorloop/kernel/key-text';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { chat, chatStream, openAi, refusalOf } from './harness/chat.js';
import { Installation, SETUP_TIMEOUT_MS, type Tenant } from './harness/installation.js';

let installation: Installation;
let free: Tenant;
let pro: Tenant;

beforeAll(async () => {
  installation = await Installation.start({ gateways: 2 });
  free = await installation.signUp('free');
  pro = await installation.signUp('pro');
}, SETUP_TIMEOUT_MS);
afterAll(() => installation?.stop(), SETUP_TIMEOUT_MS);

describe('an inference key (TL-3, TL-8)', () => {
  it('that was revoked is refused on the very next call, on every gateway, streamed or not', async () => {
    const holder = await installation.mint(pro);
    const elsewhere = installation.atSecondGateway(holder);
    await Promise.all([chat(holder.client), chat(elsewhere.client)]);
    expect((await holder.dashboard.send('DELETE', `/api/keys/${holder.key.id}`)).status).toBeLessThan(300);
    expect(await refusalOf(chat(holder.client))).toMatchObject({ status: 401, code: 'invalid_api_key' });
    expect(await refusalOf(chat(elsewhere.client))).toMatchObject({ status: 401, code: 'invalid_api_key' });
    expect(await refusalOf(chatStream(holder.client))).toMatchObject({ status: 401 });
    expect((await refusalOf(holder.client.models.list())).status).toBe(401);
  });

  it('is refused with 403 for any model outside its allowlist, existing or not', async () => {
    const { client } = await installation.mint(pro, { models: ['gpt-4o-mini'] });
    for (const model of ['gpt-4o', 'no-such-model', 'GPT-4o-mini', 'gpt-4o_mini']) {
      expect(await refusalOf(chat(client, { model }))).toMatchObject({ status: 403, code: 'model_not_allowed' });
    }
    await chat(client);
  });

  it('that has expired is refused', async () => {
    const holder = await installation.mint(pro);
    await chat(holder.client);
    await installation.database.query(
      `UPDATE control.keys SET minted_at = minted_at - interval '2 days', expires_at = now() - interval '1 second' WHERE id = $1`,
      [holder.key.id],
    );
    // Changing the plan to the same one projects the account's keys again, as any change of a key does.
    await setAccountPlan(installation.database.urls.owner, holder.accountId, 'pro');
    const refusal = await waitUntil(() => refusalOf(chat(holder.client)), { what: 'the expired key to be refused' });
    expect(refusal).toMatchObject({ status: 401, code: 'invalid_api_key' });
  });

  it('nobody ever minted is refused, though its checksum is right', async () => {
    for (const tag of [newAccountTag(), (await installation.mint(pro)).key.key.slice(3, 11)]) {
      expect((await refusalOf(chat(openAi(installation.gatewayUrl, newKeyText(tag))))).status).toBe(401);
    }
  });

  it('opens nothing but exactly as "Bearer", one space, the key', async () => {
    const { key } = await installation.mint(free);
    const headers: Record<string, string | undefined> = {
      'no header': undefined,
      'wrong scheme': `Basic ${key.key}`,
      'no scheme': key.key,
      'two spaces': `Bearer  ${key.key}`,
      'lower case': `bearer ${key.key}`,
      'upper case': `BEARER ${key.key}`,
      'no key': 'Bearer ',
      'cut short': `Bearer ${key.key.slice(0, -1)}`,
      'one character changed': `Bearer ${key.key.slice(0, -1)}${key.key.endsWith('0') ? '1' : '0'}`,
    };
    const statuses = await Promise.all(Object.entries(headers).map(async ([name, header]) => [name, await statusWith(header)]));
    expect(statuses).toEqual(Object.keys(headers).map((name) => [name, 401]));
    expect(await statusWith(`Bearer ${key.key}`)).toBe(200);
  });

  it('opens the inference surface only, and a session the dashboard only (TL-6)', async () => {
    const { key } = await installation.mint(pro);
    const controlPlane = installation.service('control-plane').url;
    const answer = await fetch(`${controlPlane}/api/keys`, { headers: { authorization: `Bearer ${key.key}` } });
    expect(answer.status).toBe(401);
    const refused = await fetch(`${installation.gatewayUrl}/v1/models`, {
      headers: { authorization: 'Bearer not-a-key', cookie: 'tl_session=x' },
    });
    expect(refused.status).toBe(401);
  });
});

async function statusWith(authorization: string | undefined): Promise<number> {
  const response = await fetch(`${installation.gatewayUrl}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(authorization === undefined ? {} : { authorization }) },
    body: JSON.stringify({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'hello' }] }),
  });
  const body: unknown = await response.json();
  if (response.status !== 200) openAiErrorSchema.parse(body);
  return response.status;
}

describe('the models list (TL-11)', () => {
  it('is filtered by the key, and what is not listed is 404 model_not_found', async () => {
    const { client } = await installation.mint(pro, { models: ['gpt-4o-mini', 'llama-3.3-70b'] });
    const { data } = await client.models.list();
    expect(data.map((model) => model.id).sort()).toEqual(['gpt-4o-mini', 'llama-3.3-70b']);
    expect((await client.models.retrieve('llama-3.3-70b')).id).toBe('llama-3.3-70b');
    for (const model of ['gpt-4o', 'no-such-model']) {
      expect(await refusalOf(client.models.retrieve(model))).toMatchObject({ status: 404, code: 'model_not_found' });
    }
  });
});

describe('the free plan (TL-2)', () => {
  it('serves gpt-4o-mini and no other model', async () => {
    const tenant = await installation.signUp('free');
    const { client } = await installation.mint(tenant);
    expect((await client.models.list()).data.map((model) => model.id)).toEqual(['gpt-4o-mini']);
    await chat(client);
    expect((await refusalOf(chat(client, { model: 'gpt-4o' }))).status).toBe(403);
  });

  it('mints no key beyond its ceilings: two keys, $5, 30 RPM, one model', async () => {
    const { dashboard } = await installation.signUp('free');
    for (const beyond of [{ budgetUsd: '5.01' }, { rpm: 31 }, { models: ['gpt-4o'] }]) {
      const answer = await dashboard.send('POST', '/api/keys', { name: 'beyond', ...beyond });
      expect([400, 403, 409, 422]).toContain(answer.status);
    }
    await dashboard.mintKey({ name: 'first', budgetUsd: '5', rpm: 30, models: ['gpt-4o-mini'] });
    await dashboard.mintKey({ name: 'second' });
    const third = await dashboard.send('POST', '/api/keys', { name: 'third' });
    expect([403, 409, 422]).toContain(third.status);
    expect(await dashboard.listKeys()).toHaveLength(2);
  });
});

describe('one account (TL-1)', () => {
  it('never sees calls, keys or sums of another', async () => {
    const [a, b] = [
      await installation.mint(await installation.signUp('pro')),
      await installation.mint(await installation.signUp('pro')),
    ];
    const { requestId } = await chat(b.client);
    await waitUntil(async () => (await b.dashboard.activity()).data.some((row) => row.requestId === requestId));
    expect((await a.dashboard.activity()).data).toEqual([]);
    expect((await a.dashboard.activity({ keyId: b.key.id })).data).toEqual([]);
    expect((await a.dashboard.usageSummary()).total.requests).toBe(0);
    expect((await a.dashboard.listKeys()).map((key) => key.id)).toEqual([a.key.id]);
  });

  it('is told of another account’s key just what it is told of one that does not exist', async () => {
    const [a, b] = [await installation.signUp('pro'), await installation.mint(await installation.signUp('pro'))];
    const theirs = await a.dashboard.send('DELETE', `/api/keys/${b.key.id}`);
    const nobodys = await a.dashboard.send('DELETE', `/api/keys/${b.key.id.slice(0, -4)}0000`);
    expect(theirs.status).toBe(404);
    expect(theirs.body).toMatchObject({ code: (nobodys.body as { code: string }).code, status: 404 });
    await chat(b.client);
  });
});
