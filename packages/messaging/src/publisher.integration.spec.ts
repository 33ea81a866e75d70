import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import { REQUEST_COMPLETED, REQUESTS_STREAM } from '@tensorloop/contracts/subjects';
import { poll } from '@tensorloop/servers/poll';
import { type NatsLink, openNatsLink } from './connection.js';
import { createPublisher, type JetStreamPublisher, PublishError } from './publisher.js';
import { ensureRequestsStream } from './streams.js';
import { type PrivateNats, startPrivateNats } from './testing/private-nats.js';

const BODY = new TextEncoder().encode('{"v":1}');

describe('the JetStream publisher', () => {
  let nats: PrivateNats;
  let link: NatsLink;
  let publisher: JetStreamPublisher;

  beforeAll(async () => {
    nats = await startPrivateNats();
    link = openNatsLink({ url: nats.url, name: 'publisher spec' });
    const connection = await link.ready;
    await ensureRequestsStream(await jetstreamManager(connection));
    publisher = createPublisher({ connection, timeoutMs: 2_000, inFlightMax: 100 });
  });

  afterAll(async () => {
    publisher.close();
    await link.close();
    await nats.dispose();
  });

  const codeOf = (work: Promise<unknown>) =>
    work.then(
      () => 'acknowledged',
      (error: unknown) => (error instanceof PublishError ? error.code : String(error)),
    );
  const storedMessages = async () => {
    const jsm = await jetstreamManager(await link.ready);
    return (await jsm.streams.info(REQUESTS_STREAM)).state.messages;
  };

  it('stores a message once, however often its id is published', async () => {
    const first = await publisher.publish(REQUEST_COMPLETED, BODY, 'id-1');
    const again = await publisher.publish(REQUEST_COMPLETED, BODY, 'id-1');
    expect(first).toMatchObject({ stream: REQUESTS_STREAM, isDuplicate: false });
    expect(again).toMatchObject({ sequence: first.sequence, isDuplicate: true });
    expect(await storedMessages()).toBe(1);
  });

  it('refuses more publishes than its bound instead of buffering them', async () => {
    const outcomes = await Promise.all(
      Array.from({ length: 101 }, (_, index) => codeOf(publisher.publish(REQUEST_COMPLETED, BODY, `many-${index}`))),
    );
    expect(outcomes.filter((outcome) => outcome === 'in_flight_full')).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome === 'acknowledged')).toHaveLength(100);
    expect(publisher.inFlight).toBe(0);
  });

  it('rejects a publish that no stream takes', async () => {
    expect(await codeOf(publisher.publish('elsewhere', BODY, 'id-2'))).toBe('no_responders');
  });

  it('rejects what is published during an outage and loses nothing that it acknowledged', async () => {
    const before = await storedMessages();
    await nats.server.kill();
    const during = await Promise.all(
      ['a', 'b', 'c'].map((id) => codeOf(publisher.publish(REQUEST_COMPLETED, BODY, `outage-${id}`))),
    );
    await poll(async () => !link.isConnected, { timeoutMs: 20_000, failure: 'the link did not notice' });
    const later = await codeOf(publisher.publish(REQUEST_COMPLETED, BODY, 'outage-d'));
    expect(during).not.toContain('acknowledged');
    expect(later).toBe('disconnected');
    expect(publisher.inFlight).toBe(0);

    await nats.server.restart();
    await poll(async () => link.isConnected, { timeoutMs: 20_000, failure: 'the link did not reconnect' });
    const retried = await Promise.all(
      ['a', 'b', 'c', 'd'].map((id) => codeOf(publisher.publish(REQUEST_COMPLETED, BODY, `outage-${id}`))),
    );
    expect(retried).toEqual(['acknowledged', 'acknowledged', 'acknowledged', 'acknowledged']);
    expect(await storedMessages()).toBe(before + 4);
  });
});

describe('the link to NATS', () => {
  it('opens while no server is there, connects when one comes, and can be closed before', async () => {
    const nats = await startPrivateNats();
    await nats.server.stop();
    const problems: string[] = [];
    const link = openNatsLink({ url: nats.url, name: 'early', onStatus: (event) => problems.push(event) });
    const abandoned = openNatsLink({ url: nats.url, name: 'abandoned' });
    expect(link.current).toBeNull();
    await abandoned.close();
    await expect(abandoned.ready).rejects.toMatchObject({ code: 'link_closed' });

    await poll(async () => problems.includes('error'), { timeoutMs: 20_000, failure: 'no attempt failed' });
    await nats.server.restart();
    await link.ready;
    expect(link.isConnected).toBe(true);
    await link.close();
    await nats.dispose();
  });
});
