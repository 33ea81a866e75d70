import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Deployment, type Model, modelCatalogueSchema } from '@tensorloop/contracts/model-catalogue';
import { MODEL_CATALOGUE_KEY } from '@tensorloop/contracts/subjects';
import { connectNats } from '@tensorloop/messaging/connection';
import { writeSnapshot } from '@tensorloop/messaging/snapshots';
import { ensureBuckets } from '@tensorloop/messaging/streams';
import { makeTestFolder, removeTestFolder } from '@tensorloop/testing/test-folder';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { GatewayFixture } from '../../test/gateway-fixture.js';
import { UPSTREAM_SECRET } from '../../test/gateway-processes.js';
import { answerWhole, hang, refuseWith, reset, ScriptedProvider } from '../../test/scripted-provider.js';
import type { TestKey } from '../../test/test-keys.js';
import { testModel } from '../../test/test-models.js';
import { CONSECUTIVE_FAILURES_MAX, OPEN_MS } from './circuit-breaker.rules.js';
import { ATTEMPTS_MAX } from './retry.rules.js';

const HEAD_TIMEOUT_MS = 400;
/** 7 input tokens at 150 and 2 output tokens at 600 nano-USD. */
const CHARGE = '2250';
/** Without any of the marks by which secrets are known, as Azure's are. */
const FILE_SECRET = '0a1b2c3d4e5f60718293a4b5c6d7e8f9';

let folder: string;
let secretFile: string;
let provider: ScriptedProvider;
let fixture: GatewayFixture;
let key: TestKey;
let models: Model[];

/** A deployment at a place of the scripted provider. */
function placed(place: string, change: Partial<Deployment> = {}): Deployment {
  const [deployment] = testModel(place, provider.url, {
    deployment: { id: place, baseUrl: provider.at(place), upstreamModel: place, headTimeoutMs: HEAD_TIMEOUT_MS, ...change },
  }).deployments;
  return deployment as Deployment;
}

function served(id: string, ...deployments: Deployment[]): Model {
  return testModel(id, provider.url, { deployments });
}

function catalogue(upstreamUrl: string): Model[] {
  const fallback = (place: string) => placed(place, { priority: 1 });
  return [
    served('two', placed('first'), fallback('second')),
    served('four', ...[0, 1, 2, 3].map((priority) => placed(`row-${priority}`, { priority }))),
    served('weighted', placed('heavy', { weight: 3 }), placed('light', { weight: 1 }), placed('unused', { weight: 0 })),
    served('cooling', placed('cool'), fallback('warm')),
    served('breaking', placed('ill')),
    served('narrow', placed('one', { concurrencyMax: 1, queueMax: 1, headTimeoutMs: 30_000 })),
    served('spilling', placed('full', { concurrencyMax: 1, headTimeoutMs: 30_000 }), fallback('spill')),
    served('secret', placed('leak', { credential: pathToFileURL(secretFile).href })),
    served('moving', placed('before')),
    served(
      'azure',
      placed('azure', { provider: 'azure-openai', apiVersion: '2024-10-21', baseUrl: `${provider.url}/azure/openai` }),
    ),
    testModel('simulated', upstreamUrl, {
      deployments: [placed('broken'), ...testModel('simulated', upstreamUrl, { deployment: { priority: 1 } }).deployments],
    }),
  ];
}

async function publish(changed: Model[]): Promise<void> {
  const connection = await connectNats({ url: fixture.nats.url, name: 'spec' });
  const { snapshots } = await ensureBuckets(connection);
  const value = { v: 1 as const, revision: 2, models: changed };
  await writeSnapshot(snapshots, MODEL_CATALOGUE_KEY, { schema: modelCatalogueSchema, value });
  await connection.close();
}

beforeAll(async () => {
  folder = makeTestFolder('routing');
  secretFile = join(folder, 'secret');
  writeFileSync(secretFile, `${FILE_SECRET}\n`);
  provider = await ScriptedProvider.start();
  fixture = await GatewayFixture.start({
    models: (upstreamUrl) => {
      models = catalogue(upstreamUrl);
      return models;
    },
  });
  key = await fixture.addKey({ models: ['*'], rpm: 100_000 });
});

afterAll(async () => {
  await fixture?.stop();
  provider?.stop();
  removeTestFolder(folder);
});

async function eventOf(response: Response) {
  return fixture.eventOf(response.headers.get('x-request-id'));
}

async function metrics(): Promise<string> {
  return (await fetch(`${fixture.url}/metrics`)).text();
}

describe('a deployment that fails before its answer begins', () => {
  it.each([
    ['answers 500', refuseWith(500), { status: 500, failure: null }],
    ['answers 429', refuseWith(429), { status: 429, failure: null }],
    ['answers 401', refuseWith(401), { status: 401, failure: null }],
    ['answers 503', refuseWith(503), { status: 503, failure: null }],
    ['resets the connection', reset, { status: null, failure: 'protocol' }],
    ['does not answer in time', hang, { status: null, failure: 'head_timeout' }],
  ])('and %s is followed by the next; the call is charged once', async (_how, behaviour, failed) => {
    provider.on('first', behaviour);
    provider.on('second', answerWhole);
    const response = await fixture.chat(key, { model: 'two' });
    expect(response.status).toBe(200);
    const event = await eventOf(response);
    expect(event).toMatchObject({ outcome: 'completed', usage: { input: 7, output: 2 }, chargeNanoUsd: CHARGE });
    expect(event.attempts).toEqual([
      { provider: 'openai', upstreamModel: 'first', latencyMs: expect.any(Number), ...failed },
      { provider: 'openai', upstreamModel: 'second', latencyMs: expect.any(Number), status: 200, failure: null },
    ]);
    expect([provider.received('first'), provider.received('second')].map((calls) => calls.length)).toEqual([1, 1]);
    expect(JSON.parse(provider.received('second')[0]?.body ?? '')).toMatchObject({ model: 'second' });
  });

  it('is followed for a stream as well', async () => {
    provider.on('broken', refuseWith(502));
    const response = await fixture.chat(key, {
      model: 'simulated',
      stream: true,
      x_sim: { promptTokens: 5, completionTokens: 6 },
    });
    expect(await response.text()).toMatch(/data: \[DONE\]\n\n$/);
    const event = await eventOf(response);
    expect(event).toMatchObject({ outcome: 'completed', usage: { input: 5, output: 6 } });
    expect(event.attempts).toMatchObject([{ status: 502 }, { status: 200 }]);
  });

  it('is followed by so many others and no more, and the last one gives the answer', async () => {
    for (const row of [0, 1, 2, 3]) provider.on(`row-${row}`, refuseWith(503, {}, `row ${row}`));
    const response = await fixture.chat(key, { model: 'four' });
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ error: { message: `row ${ATTEMPTS_MAX - 1}` } });
    const event = await eventOf(response);
    expect(event).toMatchObject({ outcome: 'upstream_error', chargeNanoUsd: '0', usage: {} });
    expect(event.attempts.map(({ upstreamModel }) => upstreamModel)).toEqual(['row-0', 'row-1', 'row-2']);
    expect(provider.received('row-3')).toHaveLength(0);
  });
});

describe('no other deployment is asked', () => {
  it.each([400, 404, 422])('after a %i: it is about the question', async (status) => {
    provider.on('first', refuseWith(status));
    provider.on('second', answerWhole);
    const response = await fixture.chat(key, { model: 'two' });
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ error: { message: 'no', code: 'scripted' } });
    expect((await eventOf(response)).attempts).toHaveLength(1);
    expect(provider.received('second')).toHaveLength(0);
  });

  it.each([true, false])('once an answer has begun, though it breaks off (stream: %s)', async (stream) => {
    const begun = stream ? 'data: {"choices":[{"index":0,"delta":{"content":"h"}}]}\n\n' : '{"choices":[';
    provider.on('first', (res, req) => {
      res.writeHead(200, { 'content-type': stream ? 'text/event-stream' : 'application/json' });
      res.write(begun, () => setImmediate(() => req.socket.destroy()));
    });
    provider.on('second', answerWhole);
    const response = await fixture.chat(key, { model: 'two', stream });
    expect(response.status).toBe(stream ? 200 : 502);
    expect(await response.text()).toContain('upstream_cut');
    const event = await eventOf(response);
    expect(event).toMatchObject({ outcome: 'upstream_cut', chargeNanoUsd: '0', attempts: [{ status: 200, failure: 'cut' }] });
    expect(provider.received('second')).toHaveLength(0);
  });

  it('and when the only one does not answer in time, the call is answered 504', async () => {
    provider.on('ill', hang);
    const response = await fixture.chat(key, { model: 'breaking' });
    expect(response.status).toBe(504);
    expect(await response.json()).toMatchObject({ error: { code: 'upstream_timeout' } });
  });
});

describe('calls', () => {
  it('are spread by weight', async () => {
    for (const place of ['heavy', 'light', 'unused']) provider.on(place, answerWhole);
    const calls = 240;
    for (let sent = 0; sent < calls; sent += 20)
      await Promise.all(Array.from({ length: 20 }, () => fixture.chat(key, { model: 'weighted' }).then((res) => res.text())));
    const [heavy, light, unused] = ['heavy', 'light', 'unused'].map((place) => provider.received(place).length);
    expect([unused, (heavy ?? 0) + (light ?? 0)]).toEqual([0, calls]);
    // Six standard deviations of a binomial share around three quarters.
    expect(Math.abs((heavy ?? 0) / calls - 0.75)).toBeLessThan(0.17);
  });

  it('leave a deployment alone for as long as it asked', async () => {
    provider.on('cool', refuseWith(429, { 'retry-after-ms': '60000' }));
    provider.on('warm', answerWhole);
    for (let call = 0; call < 5; call += 1) expect((await fixture.chat(key, { model: 'cooling' })).status).toBe(200);
    expect([provider.received('cool').length, provider.received('warm').length]).toEqual([1, 5]);
    expect(await metrics()).toMatch(/tensorloop_gateway_deployment_cooling\{deployment="cool"[^}]*\} 1/);
  });

  it('go to a new deployment as soon as the catalogue has it, and find a model by its alias', async () => {
    provider.on('before', answerWhole);
    provider.on('after', answerWhole);
    await fixture.chat(key, { model: 'moving' });
    const moved = served('moving', placed('after'));
    await publish(models.map((model) => (model.id === 'moving' ? { ...moved, aliases: ['moved'] } : model)));
    await waitUntil(async () => (await fixture.chat(key, { model: 'moved' })).status === 200, { what: 'the alias' });
    const before = provider.received('before').length;
    const response = await fixture.chat(key, { model: 'moving' });
    expect(await eventOf(response)).toMatchObject({ model: 'moving', attempts: [{ upstreamModel: 'after', status: 200 }] });
    expect(provider.received('before')).toHaveLength(before);
  });

  it('reach Azure at its address, with its key', async () => {
    provider.on('azure', answerWhole);
    expect((await fixture.chat(key, { model: 'azure' })).status).toBe(200);
    const [call] = provider.received('azure');
    expect(call?.url).toBe('/azure/openai/deployments/azure/chat/completions?api-version=2024-10-21');
    expect(call?.headers).toMatchObject({ 'api-key': UPSTREAM_SECRET });
    expect(call?.headers.authorization).toBeUndefined();
  });
});

describe('a circuit', () => {
  it('opens after so many failures, spares the provider, and closes once it works again', async () => {
    provider.on('ill', answerWhole);
    expect((await fixture.chat(key, { model: 'breaking' })).status).toBe(200);
    provider.on('ill', refuseWith(500));
    for (let call = 0; call < CONSECUTIVE_FAILURES_MAX; call += 1)
      expect((await fixture.chat(key, { model: 'breaking' })).status).toBe(500);
    const refused = await fixture.chat(key, { model: 'breaking' });
    expect(refused.status).toBe(503);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(await refused.json()).toMatchObject({ error: { code: 'upstream_unavailable' } });
    expect(await eventOf(refused)).toMatchObject({ outcome: 'upstream_error', chargeNanoUsd: '0', attempts: [] });
    expect(provider.received('ill')).toHaveLength(CONSECUTIVE_FAILURES_MAX);
    const text = await metrics();
    expect(text).toMatch(/tensorloop_gateway_circuit_state\{deployment="ill"[^}]*\} 2/);
    expect(text).toMatch(/tensorloop_gateway_circuit_openings_total\{deployment="ill"[^}]*\} 1/);
    provider.on('ill', answerWhole);
    await waitUntil(async () => (await fixture.chat(key, { model: 'breaking' })).status === 200, {
      what: 'the circuit to close',
      timeoutMs: 2 * OPEN_MS,
    });
    expect((await fixture.chat(key, { model: 'breaking' })).status).toBe(200);
  });
});

describe('places', () => {
  /** A place at which calls stay until they are let go, and the most that were there at once. */
  function gatedAt(place: string) {
    const open: (() => void)[] = [];
    const gate = { most: 0, isOpen: false, release: () => undefined as undefined };
    gate.release = () => {
      gate.isOpen = true;
      for (const letGo of open.splice(0)) letGo();
    };
    let present = 0;
    provider.on(place, async (res) => {
      present += 1;
      gate.most = Math.max(gate.most, present);
      if (!gate.isOpen) await new Promise<void>((resolve) => open.push(resolve));
      present -= 1;
      answerWhole(res);
    });
    return gate;
  }

  it('and their queue are bounded; above them calls are refused', async () => {
    const gate = gatedAt('one');
    const first = fixture.chat(key, { model: 'narrow' });
    await waitUntil(() => provider.received('one').length === 1, { what: 'the first call at the provider' });
    const second = fixture.chat(key, { model: 'narrow' });
    await waitUntil(async () => /tensorloop_gateway_deployment_queue\{deployment="one"[^}]*\} 1/.test(await metrics()), {
      what: 'the second call in the queue',
    });
    const third = await fixture.chat(key, { model: 'narrow' });
    expect(third.status).toBe(503);
    expect(third.headers.get('retry-after')).toBe('1');
    expect(await third.json()).toMatchObject({ error: { code: 'upstream_saturated' } });
    expect(await eventOf(third)).toMatchObject({ chargeNanoUsd: '0', attempts: [] });
    gate.release();
    expect([(await first).status, (await second).status]).toEqual([200, 200]);
    expect(gate.most).toBe(1);
  });

  it('that are taken send calls to the next deployment', async () => {
    const gate = gatedAt('full');
    provider.on('spill', answerWhole);
    const first = fixture.chat(key, { model: 'spilling' });
    await waitUntil(() => provider.received('full').length === 1, { what: 'the first call at the provider' });
    const second = await fixture.chat(key, { model: 'spilling' });
    expect(await eventOf(second)).toMatchObject({ attempts: [{ upstreamModel: 'spill', status: 200 }], chargeNanoUsd: CHARGE });
    gate.release();
    expect((await first).status).toBe(200);
  });
});

describe("the provider's credential", () => {
  it.each([400, 401, 403, 404, 429, 500, 503])('quoted in a %i reaches neither the client nor the log', async (status) => {
    provider.on('leak', refuseWith(status, { 'retry-after': '0', 'x-secret': FILE_SECRET }, `bad key ${FILE_SECRET}!`));
    const response = await fixture.chat(key, { model: 'secret' });
    expect(provider.received('leak')[0]?.headers.authorization).toBe(`Bearer ${FILE_SECRET}`);
    expect(JSON.stringify([await response.text(), [...response.headers]])).not.toContain(FILE_SECRET);
    expect(JSON.stringify(await eventOf(response))).not.toContain(FILE_SECRET);
    expect(fixture.output).not.toContain(FILE_SECRET);
  });

  it('quoted in the error event of a stream reaches neither', async () => {
    provider.on('leak', (res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      res.end(`data: {"choices":[]}\n\ndata: {"error":{"message":"bad key ${FILE_SECRET}"}}\n\n`);
    });
    const response = await fixture.chat(key, { model: 'secret', stream: true });
    const text = await response.text();
    expect(text).toContain('upstream_cut');
    expect(text).not.toContain(FILE_SECRET);
    expect(fixture.output).not.toContain(FILE_SECRET);
  });

  it('follows its file', async () => {
    provider.on('leak', answerWhole);
    writeFileSync(secretFile, 'the-next-secret-of-the-provider');
    await waitUntil(
      async () => {
        await fixture.chat(key, { model: 'secret' });
        return provider.received('leak').at(-1)?.headers.authorization === 'Bearer the-next-secret-of-the-provider';
      },
      { what: 'the new secret' },
    );
  });
});
