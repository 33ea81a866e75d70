import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { GatewayFixture } from '../../test/gateway-fixture.js';
import { startGateway } from '../../test/gateway-processes.js';
import type { TestKey } from '../../test/test-keys.js';
import { SECOND_LOOK_MS } from './ownerless-holds.service.js';

/** Well below the shutdown's deadline, which is what a server that waits runs into. */
const STOP_MS_MAX = 10_000;
const HOUR_MS = 3_600_000;

let fixture: GatewayFixture;
let key: TestKey;

beforeAll(async () => {
  fixture = await GatewayFixture.start();
  key = await fixture.addKey({ rpm: 100_000 });
});

afterAll(() => fixture?.stop());

async function readSome(response: Response): Promise<string> {
  if (response.body === null) throw new Error('the response has no body');
  const reader = response.body.getReader();
  const { value } = await reader.read();
  return new TextDecoder().decode(value);
}

async function openStates(account: TestKey = key): Promise<string[]> {
  return (await fixture.view.listOpen(account.projection.accountTag)).map((entry) => entry.state);
}

async function exitCode(): Promise<number | null> {
  const { child } = fixture.gateway;
  await waitUntil(() => child.exitCode !== null || child.signalCode !== null, {
    what: 'the gateway to exit',
  });
  return child.exitCode;
}

describe('a settle-ack', () => {
  it('removes the pending amount and the journal entry', async () => {
    const response = await fixture.chat(key, {});
    const requestId = response.headers.get('x-request-id') as string;
    const event = await fixture.eventOf(requestId);
    const scope = `window:${event.keyId}:${event.windowIndex}`;
    expect(await fixture.metric('tensorloop_gateway_unacknowledged_calls')).toBe(1);
    fixture.acknowledge({
      accountTag: event.accountTag,
      requestIds: [requestId],
      totals: [{ scope, totalNanoUsd: event.chargeNanoUsd, version: 1 }],
    });
    await waitUntil(async () => (await fixture.metric('tensorloop_gateway_unacknowledged_calls')) === 0);
    const { scopes, open } = await fixture.view.inspect(event.accountTag);
    expect(open).toEqual([]);
    expect(scopes).toContainEqual(
      expect.objectContaining({
        scope,
        totalNanoUsd: BigInt(event.chargeNanoUsd),
        version: 1,
        heldNanoUsd: 0n,
        settledNanoUsd: 0n,
      }),
    );
  });
});

describe('after kill -9 in the middle of a stream', () => {
  it('the call is settled as far as it was counted, flagged as estimated, and published', async () => {
    const account = await fixture.addKey();
    const response = await fixture.chat(account, { stream: true, x_sim: { completionTokens: 2_000, chunkMs: 5 } });
    expect(await readSome(response)).toContain('data: ');
    // The first progress record is on the disk within the lazy flush, which the journal's growth shows.
    await waitUntil(async () => (await fixture.metric('tensorloop_gateway_open_calls')) === 1);
    const bytes = await fixture.metric('tensorloop_gateway_journal_bytes');
    await waitUntil(async () => (await fixture.metric('tensorloop_gateway_journal_bytes')) > bytes);
    await fixture.gateway.stop('SIGKILL');
    expect(await openStates(account)).toEqual(['held']);
    await fixture.restartGateway();
    const event = await fixture.eventOf(response.headers.get('x-request-id'));
    expect(event).toMatchObject({ outcome: 'gateway_died', estimated: true });
    expect(event.usage.output).toBeGreaterThan(0);
    expect(event.usage.output).toBeLessThan(2_000);
    await waitUntil(async () => (await openStates(account)).join() === 'settled');
  });

  it('a call that had given no byte costs nothing', async () => {
    const account = await fixture.addKey();
    const bytes = await fixture.metric('tensorloop_gateway_journal_bytes');
    const pending = fixture.chat(account, { x_sim: { latencyMs: 10_000 } }).catch(() => null);
    await waitUntil(async () => (await openStates(account)).length === 1);
    // The hold is placed first; the accepted record of a call that streams nothing waits a little for others to be written with.
    await waitUntil(async () => (await fixture.metric('tensorloop_gateway_journal_bytes')) > bytes);
    const [entry] = await fixture.view.listOpen(account.projection.accountTag);
    await fixture.gateway.stop('SIGKILL');
    await pending;
    await fixture.restartGateway();
    await waitUntil(async () => (await openStates(account)).every((state) => state !== 'held'));
    const event = await fixture.eventOf(entry?.requestId ?? null);
    expect(event).toMatchObject({ outcome: 'gateway_died', chargeNanoUsd: '0', usage: {} });
  });

  it('holds of its own that never reached its journal are released', async () => {
    const account = await fixture.addKey();
    await fixture.admission.admit({
      accountTag: account.projection.accountTag,
      keyHash: account.projection.keyHash,
      requestId: uuid7(Date.now() - HOUR_MS),
      gatewayId: fixture.gatewayId,
      model: 'gpt-4o-mini',
      holdNanoUsd: 1_000n,
      holdMinNanoUsd: 1_000n,
      priceFromMs: 0,
      priceToMs: null,
    });
    expect(await openStates(account)).toEqual(['held']);
    await fixture.gateway.stop('SIGKILL');
    await fixture.restartGateway();
    await waitUntil(async () => (await openStates(account)).length === 0, {
      timeoutMs: 3 * SECOND_LOOK_MS,
      what: 'the second look',
    });
    expect(await fixture.metric('tensorloop_gateway_ownerless_holds_total')).toBe(1);
  });
});

describe('without NATS', () => {
  it('known keys are served, and every call is published once NATS is back, a kill -9 in between or not', async () => {
    await fixture.nats.server.kill();
    const before = await fixture.chat(key, { x_sim: { promptTokens: 5, completionTokens: 3 } });
    expect(before.status).toBe(200);
    await fixture.gateway.stop('SIGKILL');
    await fixture.restartGateway();
    const after = await fixture.chat(key, { x_sim: { promptTokens: 5, completionTokens: 3 } });
    expect(after.status).toBe(200);
    await fixture.nats.server.restart();
    for (const response of [before, after]) {
      const event = await fixture.eventOf(response.headers.get('x-request-id'));
      expect(event).toMatchObject({ outcome: 'completed', usage: { input: 5, output: 3 } });
    }
  });
});

describe('a shutdown whose time is up', () => {
  it('ends what is still open with an error event and settles it as counted', async () => {
    fixture.environment = { DRAIN_MS: '200' };
    await fixture.gateway.stop();
    await fixture.restartGateway();
    const account = await fixture.addKey();
    const stream = await fixture.chat(account, { stream: true, x_sim: { completionTokens: 2_000, chunkMs: 10 } });
    const whole = fixture.chat(account, { x_sim: { latencyMs: 20_000 } });
    await waitUntil(async () => (await fixture.metric('tensorloop_gateway_open_calls')) === 2);
    fixture.gateway.child.kill('SIGTERM');
    const text = await stream.text();
    expect(text).toMatch(/data: \{"error":\{[^}]*"code":"shutting_down"\}\}\n\n$/);
    const refused = await whole;
    expect(refused.status).toBe(503);
    expect(await exitCode()).toBe(0);
    const event = await fixture.eventOf(stream.headers.get('x-request-id'));
    expect(event).toMatchObject({ outcome: 'gateway_died', estimated: true, httpStatus: 200 });
    expect(event.usage.output).toBeGreaterThan(0);
    expect(await fixture.eventOf(refused.headers.get('x-request-id'))).toMatchObject({
      outcome: 'gateway_died',
      chargeNanoUsd: '0',
    });
    expect(await openStates(account)).toEqual(['settled', 'settled']);
    fixture.environment = {};
    await fixture.restartGateway();
  });
});

describe('a journal folder', () => {
  it('in use is refused to a second gateway, which says why', async () => {
    const second = startGateway({ folder: fixture.folder, redisUrl: fixture.redisServer.url, natsUrl: fixture.nats.url });
    await expect(second).rejects.toThrow(/belongs to another running gateway/);
  });
});

describe('a gateway id', () => {
  it('that a running gateway has is refused to one with another folder, which says why', async () => {
    const second = startGateway({
      folder: `${fixture.folder}/second`,
      redisUrl: fixture.redisServer.url,
      natsUrl: fixture.nats.url,
      environment: { GATEWAY_ID: fixture.gatewayId },
    });
    await expect(second).rejects.toThrow(/gateway could not start: The id "[^"]+" belongs to another running gateway/);
    expect((await fixture.chat(key, {})).status).toBe(200);
  });

  it('that another took while this one was cut off ends it, open calls first', async () => {
    const stream = await fixture.chat(key, { stream: true, x_sim: { completionTokens: 40, chunkMs: 20 } });
    await fixture.takeGatewayId();
    expect(await stream.text()).toMatch(/data: \[DONE\]\n\n$/);
    expect(await exitCode()).toBe(1);
    await fixture.giveGatewayIdBack();
    await fixture.restartGateway();
  });
});

describe('SIGTERM', () => {
  it('lets open calls finish, refuses new ones and exits clean', async () => {
    const response = await fixture.chat(key, { stream: true, x_sim: { completionTokens: 40, chunkMs: 20 } });
    await waitUntil(async () => (await fixture.metric('tensorloop_gateway_open_calls')) === 1);
    fixture.gateway.child.kill('SIGTERM');
    await waitUntil(async () => (await fixture.chat(key, {})).status === 503);
    expect(await response.text()).toMatch(/data: \[DONE\]\n\n$/);
    expect(await exitCode()).toBe(0);
    expect(await fixture.eventOf(response.headers.get('x-request-id'))).toMatchObject({ outcome: 'completed' });
    await fixture.restartGateway();
  });

  it('does not wait for a connection that never carried a request', async () => {
    const { hostname, port } = new URL(fixture.url);
    const silent = connect(Number(port), hostname);
    await once(silent, 'connect');
    const closed = once(silent, 'close');
    const sentAtMs = performance.now();
    fixture.gateway.child.kill('SIGTERM');
    expect(await exitCode()).toBe(0);
    expect(performance.now() - sentAtMs).toBeLessThan(STOP_MS_MAX);
    await closed;
    await fixture.restartGateway();
  });
});
