import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { type NatsLink, openNatsLink } from '@tensorloop/messaging/connection';
import { listLiveGateways } from '@tensorloop/messaging/heartbeats';
import { startTestNats, type TestServer } from '@tensorloop/testing/servers';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { NatsWiring, type NatsWiringParts } from './nats-wiring.service.js';

const GATEWAY = 'gw-wired';

let nats: TestServer;
let link: NatsLink;
let wiring: NatsWiring;
let failuresLeft: number;
let connected: number;
const reassertAll = jest.fn(() => Promise.resolve());
const logged: string[] = [];

beforeAll(async () => {
  nats = await startTestNats();
});
afterAll(() => nats.stop());

beforeEach(() => {
  failuresLeft = 0;
  connected = 0;
  logged.length = 0;
  reassertAll.mockClear();
  link = openNatsLink({ url: nats.url, name: 'wiring spec' });
  const log = (_fields: object, message: string) => logged.push(message);
  wiring = new NatsWiring({
    gatewayId: GATEWAY,
    journalId: 'journal',
    clock: Date.now,
    link,
    models: { setCatalogue: () => undefined, setPriceBook: () => undefined },
    shipper: {
      connect: () => {
        connected += 1;
        if (failuresLeft-- > 0) throw new Error('planted');
      },
    },
    acks: { apply: () => Promise.resolve() },
    epochs: { reassert: () => Promise.reject(new Error('not asked here')) },
    reassertions: { all: reassertAll },
    registry: { remember: () => Promise.resolve() },
    onTaken: (error: Error) => logged.push(error.message),
    logger: { warn: log, error: log },
  } as unknown as NatsWiringParts);
});

afterEach(async () => {
  await wiring.stop(true);
  await link.close();
});

describe('what a gateway says and hears over NATS', () => {
  it('is set up again until it is whole, and says what went wrong', async () => {
    failuresLeft = 2;
    wiring.start();
    await waitUntil(() => connected === 3);
    expect(logged.filter((line) => line.startsWith('NATS could not be set up'))).toHaveLength(2);
    await wiring.registered;
    expect((await listLiveGateways(await link.ready)).map((beat) => beat.gatewayId)).toEqual([GATEWAY]);
  });

  it('begins, and begins again after each reconnect, with what its journal owes', async () => {
    wiring.start();
    await waitUntil(() => reassertAll.mock.calls.length === 1);
    await nats.server.kill();
    await nats.server.restart();
    await waitUntil(() => reassertAll.mock.calls.length === 2, { what: 'the second re-assertion' });
    expect(logged.filter((line) => line.includes('another running gateway'))).toEqual([]);
  });
});
