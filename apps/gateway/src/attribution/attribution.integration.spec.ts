import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CLOCK_MARGIN_MS } from '@tensorloop/admission/clock-margin';
import type { KeyProjection } from '@tensorloop/contracts/key-projection';
import { type Refusal, requestRefusedSchema } from '@tensorloop/contracts/request-refused';
import { projectScope } from '@tensorloop/contracts/settle-ack';
import { REQUEST_REFUSED_SUBJECT } from '@tensorloop/contracts/subjects';
import { WINDOW_MS } from '@tensorloop/kernel/budget-window';
import { newAccountTag } from '@tensorloop/kernel/key-text';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { type NatsLink, openNatsLink } from '@tensorloop/messaging/connection';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { GatewayFixture } from '../../test/gateway-fixture.js';
import type { TestKey } from '../../test/test-keys.js';
import { testModel } from '../../test/test-models.js';

const LISTENING_MODEL = 'listening';

let fixture: GatewayFixture;
let link: NatsLink;
let listener: Server;
/** Headers that an upstream got. */
const got: IncomingHttpHeaders[] = [];
const refusals: Refusal[] = [];

beforeAll(async () => {
  listener = createServer((req, res) => {
    got.push(req.headers);
    res.writeHead(500).end();
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(listener.address() as AddressInfo).port}`;
  fixture = await GatewayFixture.start({ models: () => [testModel(LISTENING_MODEL, url)] });
  link = openNatsLink({ url: fixture.nats.url, name: 'test' });
  const connection = await link.ready;
  connection.subscribe(REQUEST_REFUSED_SUBJECT, {
    callback: (_, msg) => {
      refusals.push(...requestRefusedSchema.parse(msg.json()).refusals);
    },
  });
  await connection.flush();
});
afterAll(async () => {
  await link?.close();
  await fixture?.stop();
  listener?.close();
});

type Project = NonNullable<KeyProjection['project']>;
const projectOf = (changes: Partial<Project> = {}): Project => ({
  id: uuid7(),
  name: 'Search',
  createdAtMs: Date.now() + CLOCK_MARGIN_MS + 1_000,
  budgetNanoUsd: null,
  ...changes,
});

async function errorOf(response: Response) {
  const { error } = (await response.json()) as { error: { type: string; code: string; message: string; param: string | null } };
  return { status: response.status, headers: response.headers, ...error };
}

function tagged(key: TestKey, tags: string, body: object = {}): Promise<Response> {
  const headers = { authorization: `Bearer ${key.text}`, 'content-type': 'application/json', 'x-tensorloop-tags': tags };
  return fixture.chat(key, body, { headers });
}

describe('a call of a key in a project', () => {
  it('is booked to the project’s window and to the tags of key and call, and its own header wins over none of the key’s', async () => {
    const project = projectOf();
    const key = await fixture.addKey({ project, tags: { team: 'search', environment: 'production' } });
    const response = await tagged(key, 'team=ads, run=7');
    expect(response.status).toBe(200);
    expect(await fixture.eventOf(response.headers.get('x-request-id'))).toMatchObject({
      projectId: project.id,
      projectWindowIndex: 0,
      projectWindowStartMs: project.createdAtMs,
      tags: { team: 'search', environment: 'production', run: '7' },
    });
  });

  it('says nothing of either where there is none', async () => {
    const key = await fixture.addKey();
    const response = await fixture.chat(key, {});
    const event = await fixture.eventOf(response.headers.get('x-request-id'));
    for (const field of ['projectId', 'projectWindowIndex', 'projectWindowStartMs', 'tags'])
      expect(event).not.toHaveProperty(field);
  });

  it('is refused by the budget of the project, which is named with when it resets (TL-4)', async () => {
    const project = projectOf({ budgetNanoUsd: '1000' });
    const accountTag = newAccountTag();
    const key = await fixture.addKey({ accountTag, project, tags: { team: 'search' } });
    const error = await errorOf(await tagged(key, 'run=7', { max_tokens: 1_000 }));
    expect(error).toMatchObject({ status: 429, type: 'budget_exceeded', code: 'insufficient_quota' });
    expect(error.message).toContain('project "Search"');
    expect(error.message).toContain(new Date(project.createdAtMs + WINDOW_MS).toISOString());
    expect(error.headers.get('x-should-retry')).toBe('false');
    const refused = await waitUntil(() => refusals.find(({ keyId }) => keyId === key.projection.keyId), {
      what: 'the refusal',
    });
    expect(refused).toMatchObject({ projectId: project.id, tags: { team: 'search', run: '7' }, code: 'insufficient_quota' });
  });

  it('shares the budget with the other keys of the project, and leaves nothing held', async () => {
    const project = projectOf({ budgetNanoUsd: '3000000' });
    const accountTag = newAccountTag();
    const keys = [await fixture.addKey({ accountTag, project }), await fixture.addKey({ accountTag, project })];
    const body = { max_tokens: 200, x_sim: { completionTokens: 200, promptTokens: 20 } };
    const responses = await Promise.all(Array.from({ length: 100 }, (_, at) => fixture.chat(keys[at % 2] as TestKey, body)));
    const served = responses.filter(({ status }) => status === 200);
    expect(served.length).toBeGreaterThan(0);
    expect(new Set(responses.map(({ status }) => status))).toEqual(new Set([200, 429]));
    const events = await Promise.all(served.map(({ headers }) => fixture.eventOf(headers.get('x-request-id'))));
    const spent = events.reduce((sum, event) => sum + BigInt(event.chargeNanoUsd), 0n);
    expect(spent).toBeLessThanOrEqual(3_000_000n);
    const scope = projectScope(project.id, 0);
    const state = () => fixture.view.inspect(accountTag).then(({ scopes }) => scopes.find((found) => found.scope === scope));
    await waitUntil(async () => (await state())?.heldNanoUsd === 0n, { what: 'every hold to be settled' });
    expect(await state()).toMatchObject({ settledNanoUsd: spent });
    // The account's rebuild finds the same in the journal.
    await fixture.redis.del(`tl:{${accountTag}}:account`);
    const after = await errorOf(await fixture.chat(keys[0] as TestKey, body));
    expect(after.status).toBe(503);
  });
});

describe('the requests per minute of a whole account (TS-7)', () => {
  it('are a 429 of their own, with the exact wait, whichever key calls', async () => {
    const accountTag = newAccountTag();
    const [one, two] = [
      await fixture.addKey({ accountTag, accountRpm: 2 }),
      await fixture.addKey({ accountTag, accountRpm: 2 }),
    ];
    const beganMs = Date.now();
    const first = await fixture.chat(one, {});
    expect(first.headers.get('x-ratelimit-limit-requests')).toBe('2');
    expect(first.headers.get('x-ratelimit-remaining-requests')).toBe('1');
    await fixture.chat(two, {});
    const error = await errorOf(await fixture.chat(two, {}));
    expect(error).toMatchObject({ status: 429, type: 'rate_limit_error', code: 'rate_limit_exceeded' });
    expect(error.message).toMatch(/^All keys of this account together may make 2 requests/);
    const retryAfterMs = Number(error.headers.get('retry-after-ms'));
    expect(retryAfterMs).toBeLessThanOrEqual(60_000);
    expect(retryAfterMs).toBeGreaterThanOrEqual(60_000 - (Date.now() - beganMs));
  });
});

describe('the header x-tensorloop-tags', () => {
  it.each(['team', 'Team=x', 'a=1,a=2'])('that says %j is a 400 that names it, and the call is not made', async (tags) => {
    const key = await fixture.addKey();
    const error = await errorOf(await tagged(key, tags));
    expect(error).toMatchObject({ status: 400, code: 'invalid_value', param: 'x-tensorloop-tags' });
    expect((await fixture.view.inspect(key.projection.accountTag)).open).toEqual([]);
  });

  it('is never sent on to an upstream', async () => {
    const key = await fixture.addKey({ models: [LISTENING_MODEL] });
    await tagged(key, 'team=search', { model: LISTENING_MODEL });
    expect(got.length).toBeGreaterThan(0);
    expect(JSON.stringify(got)).not.toContain('tensorloop');
  });
});
