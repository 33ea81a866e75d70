import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { METERING_CONSUMER, REQUEST_COMPLETED, REQUESTS_STREAM } from '@tensorloop/contracts/subjects';
import { poll } from '@tensorloop/servers/poll';
import { type NatsLink, openNatsLink } from './connection.js';
import {
  BATCH_BYTES_MAX,
  type BatchConsumer,
  type BatchConsumerEvent,
  type BatchConsumerOptions,
  type BatchMessage,
  PREFETCH_MESSAGES_MAX,
  startBatchConsumer,
} from './consumer.js';
import { createPublisher, type JetStreamPublisher } from './publisher.js';
import {
  ensureMeteringConsumer,
  ensureRequestsStream,
  METERING_ACK_PENDING_MAX,
  METERING_ACK_WAIT_MS,
  trimRequestsStream,
} from './streams.js';
import { type PrivateNats, startPrivateNats } from './testing/private-nats.js';
import { readTraceparent } from './trace-context.js';

const TRACEPARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

describe('the batch consumer', () => {
  let nats: PrivateNats;
  let link: NatsLink;
  let connection: NatsConnection;
  let publisher: JetStreamPublisher;
  let consumer: BatchConsumer | undefined;
  let received: string[];
  let events: BatchConsumerEvent[];
  let release: () => void;

  // Each test has a server of its own: with one for all, a test was seen to get messages of the one before from a stream made anew.
  beforeEach(async () => {
    nats = await startPrivateNats();
    link = openNatsLink({ url: nats.url, name: 'consumer spec' });
    connection = await link.ready;
    publisher = createPublisher({ connection });
    consumer = undefined;
    received = [];
    events = [];
    release = () => {};
  });

  afterEach(async () => {
    release();
    await consumer?.stop();
    publisher.close();
    await link.close();
    await nats.dispose();
  });

  const ensure = async () => {
    const jsm = await jetstreamManager(connection);
    await ensureRequestsStream(jsm);
    await ensureMeteringConsumer(jsm);
  };
  const textOf = (message: BatchMessage) => new TextDecoder().decode(message.data);
  const start = async (
    handler: (batch: readonly BatchMessage[]) => Promise<void>,
    options: Partial<BatchConsumerOptions> = { messagesMax: 50 },
  ) => {
    const begun = events.filter((event) => event.type === 'started').length;
    consumer = startBatchConsumer({
      connection,
      stream: REQUESTS_STREAM,
      consumer: METERING_CONSUMER,
      ensure,
      handler,
      ...options,
      onEvent: (event) => events.push(event),
    });
    await poll(async () => events.filter((event) => event.type === 'started').length > begun, {
      timeoutMs: 20_000,
      failure: 'not started',
    });
  };
  const collect = async (batch: readonly BatchMessage[]) => {
    received.push(...batch.map(textOf));
  };
  const publish = (text: string) => publisher.publish(REQUEST_COMPLETED, new TextEncoder().encode(text), text);
  const publishUnnamed = (text: string, at: number) =>
    publisher.publish(REQUEST_COMPLETED, new TextEncoder().encode(text), `${at}`);
  const untilReceived = (count: number) =>
    poll(async () => new Set(received).size >= count, {
      timeoutMs: 20_000,
      failure: `received ${received.length} of ${count}`,
    });
  const ackPending = async () => {
    const jsm = await jetstreamManager(connection);
    return (await jsm.consumers.info(REQUESTS_STREAM, METERING_CONSUMER)).num_ack_pending;
  };
  const untilSettled = () =>
    poll(async () => (await ackPending()) === 0, { timeoutMs: 20_000, failure: 'messages stay unacknowledged' });

  it('hands over every message once, in order, in batches within the bound, and acknowledges them', async () => {
    const sizes: number[] = [];
    await start(async (batch) => {
      sizes.push(batch.length);
      await collect(batch);
    });
    const sent = Array.from({ length: 500 }, (_, index) => `m${index}`);
    await Promise.all(sent.map(publish));
    await untilReceived(500);
    expect(received).toEqual(sent);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(50);
    expect(sizes.length).toBeLessThan(250);
    await untilSettled();
  });

  it('hands over a lone message within 50 ms', async () => {
    let receivedAt = 0;
    await start(async () => {
      receivedAt = performance.now();
    });
    const delaysMs: number[] = [];
    for (const text of ['one', 'two', 'three', 'four', 'five']) {
      receivedAt = 0;
      const acknowledged = publish(text);
      const sentAt = performance.now();
      await acknowledged;
      await poll(async () => receivedAt > 0, { timeoutMs: 20_000, failure: 'not handed over' });
      delaysMs.push(receivedAt - sentAt);
    }
    // The second quickest: other work on the machine may hold up most.
    expect(delaysMs.sort((a, b) => a - b)[1]).toBeLessThan(50);
  });

  it('says when the stream took a message', async () => {
    const stored: number[] = [];
    await start(async (batch) => {
      stored.push(...batch.map((message) => message.storedAtMs));
    });
    const publishedAtMs = Date.now();
    await publish('stamped');
    await poll(async () => stored.length === 1, { timeoutMs: 20_000, failure: 'not received' });
    expect(Math.abs((stored[0] as number) - publishedAtMs)).toBeLessThan(5_000);
  });

  it('delivers a batch again, later, when the handler rejects', async () => {
    let failuresLeft = 2;
    const counts: number[] = [];
    await start(async (batch) => {
      if (failuresLeft-- > 0) throw new Error('database is down');
      counts.push(...batch.map((message) => message.deliveryCount));
      await collect(batch);
    });
    await publish('again');
    await untilReceived(1);
    expect(counts).toEqual([3]);
    const retries = events.flatMap((event) => (event.type === 'handler_failed' ? [event.retryInMs] : []));
    expect(retries).toEqual([100, 200]);
    await untilSettled();
  });

  it('brings a consumer that an earlier release made to the present settings, and keeps its place', async () => {
    await start(collect);
    await publish('before');
    await untilReceived(1);
    await untilSettled();
    await consumer?.stop();
    const jsm = await jetstreamManager(connection);
    await jsm.consumers.update(REQUESTS_STREAM, METERING_CONSUMER, { ack_wait: 1_000_000_000, max_ack_pending: 7 });
    await start(collect);
    await publish('after');
    await untilReceived(2);
    expect(received).toEqual(['before', 'after']);
    const { config } = await jsm.consumers.info(REQUESTS_STREAM, METERING_CONSUMER);
    expect(config).toMatchObject({ ack_wait: METERING_ACK_WAIT_MS * 1_000_000, max_ack_pending: METERING_ACK_PENDING_MAX });
  });

  it('carries on after its stream was deleted', async () => {
    await start(collect);
    await publish('before');
    await untilReceived(1);
    const jsm = await jetstreamManager(connection);
    await jsm.streams.delete(REQUESTS_STREAM);
    await poll(async () => events.filter((event) => event.type === 'started').length === 2, {
      timeoutMs: 20_000,
      failure: 'not started again',
    });
    await publish('after');
    await untilReceived(2);
    expect(received).toEqual(['before', 'after']);
  });

  it('carries on after its consumer was deleted, delivering what is stored again', async () => {
    await start(collect);
    await publish('before');
    await untilReceived(1);
    const jsm = await jetstreamManager(connection);
    await jsm.consumers.delete(REQUESTS_STREAM, METERING_CONSUMER);
    await poll(async () => events.filter((event) => event.type === 'started').length === 2, {
      timeoutMs: 20_000,
      failure: 'not started again',
    });
    await publish('after');
    await untilReceived(2);
    expect(received).toEqual(['before', 'before', 'after']);
  });

  it('carries on after the server was killed and came back', async () => {
    await start(collect);
    await publish('before');
    await untilReceived(1);
    await nats.server.kill();
    await nats.server.restart();
    await poll(async () => link.isConnected, { timeoutMs: 20_000, failure: 'not reconnected' });
    await poll(async () => publish('after').then(() => true), { timeoutMs: 20_000, failure: 'not published' });
    await untilReceived(2);
    // What was acknowledged just before the kill may come again: the server keeps acknowledgements in memory for a while.
    expect(received.at(-1)).toBe('after');
  });

  it('finishes the batch in progress when stopped and gives the rest back at once', async () => {
    let release: () => void = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    let isHandling = false;
    await start(async (batch) => {
      isHandling = true;
      await held;
      await collect(batch);
    });
    await publish('first');
    await poll(async () => isHandling, { timeoutMs: 20_000, failure: 'not delivered' });
    await Promise.all(['second', 'third'].map(publish));
    await poll(async () => (await ackPending()) === 3, { timeoutMs: 20_000, failure: 'not delivered' });
    const stopped = (consumer as BatchConsumer).stop();
    release();
    await stopped;
    expect(received).toEqual(['first']);

    await start(collect);
    await untilReceived(3);
    expect(received.sort()).toEqual(['first', 'second', 'third']);
  });

  it('gives back what was on its way to it when it was stopped in full flow', async () => {
    const sent = Array.from({ length: 3_000 }, (_, index) => `m${index}`);
    await ensure();
    await Promise.all(sent.map(publish));
    for (const round of [1, 2, 3]) {
      await start(collect);
      await untilReceived(round * 200);
      await (consumer as BatchConsumer).stop();
    }
    await start(collect);
    // Within far less than METERING_ACK_WAIT_MS, after which the server takes back by itself what was dropped.
    await untilReceived(sent.length);
    expect(received.sort()).toEqual(sent.sort());
  });

  /** Starts one whose handler does not end until told to. */
  const startHeld = async (options?: Partial<BatchConsumerOptions>) => {
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    await start(async (batch) => {
      await held;
      await collect(batch);
    }, options);
    return consumer as BatchConsumer;
  };

  it('does not keep from others what it has no room for, and goes on with what is left when it has', async () => {
    const slow = await startHeld({ messagesMax: 50, unreadMsMax: 100 });
    const sent = Array.from({ length: 500 }, (_, index) => `m${index}`);
    await Promise.all(sent.map(publish));
    await start(collect);
    // But for one batch with the handler and one gathered, and long before METERING_ACK_WAIT_MS.
    await untilReceived(sent.length - 100);
    expect(slow.isReceiving).toBe(true);
    await consumer?.stop();
    release();
    await untilReceived(sent.length);
    await publish('later');
    await untilReceived(sent.length + 1);
    consumer = slow;
    expect(received.sort()).toEqual([...sent, 'later'].sort());
    expect(events.filter(({ type }) => type === 'interrupted')).toEqual([]);
  });

  it('holds no more than a bound of bytes, however large messages are', async () => {
    const bytes = 128 * 1024;
    await startHeld({});
    const count = 300;
    const large = Array.from({ length: count }, (_, index) => `${index}`.padEnd(bytes, '.'));
    await Promise.all(large.map(publishUnnamed));
    const heldMax = PREFETCH_MESSAGES_MAX + 1 + (2 * BATCH_BYTES_MAX) / bytes;
    let held = 0;
    const isFull = async () => {
      const before = held;
      held = await ackPending();
      return held > PREFETCH_MESSAGES_MAX && held === before;
    };
    await poll(isFull, { timeoutMs: 20_000, failure: 'nothing is held' });
    const pending = async () =>
      (await (await jetstreamManager(connection)).consumers.info(REQUESTS_STREAM, METERING_CONSUMER)).num_pending;
    expect(await pending()).toBeGreaterThanOrEqual(count - heldMax);
    release();
    await untilReceived(count);
    await untilSettled();
  });

  it('is stopped at once although its handler fails meanwhile', async () => {
    let isHandling = false;
    let fail: () => void = () => {};
    const failing = new Promise<void>((_, reject) => {
      fail = () => reject(new Error('database is down'));
    });
    await start(() => {
      isHandling = true;
      return failing;
    });
    await publish('first');
    await poll(async () => isHandling, { timeoutMs: 20_000, failure: 'not delivered' });
    const stopped = (consumer as BatchConsumer).stop();
    fail();
    await stopped;
    const handed = events.flatMap((event) => (event.type === 'handler_failed' ? [event.retryInMs] : []));
    expect(handed).toEqual([0]);
  });

  it('hands on the traceparent of a message', async () => {
    const parents: (string | null)[] = [];
    await start(async (batch) => {
      parents.push(...batch.map((message) => readTraceparent(message.headers)));
    });
    await publisher.publishMessage({
      subject: REQUEST_COMPLETED,
      data: new Uint8Array([1]),
      messageId: 'traced',
      traceparent: TRACEPARENT,
    });
    await poll(async () => parents.length === 1, { timeoutMs: 20_000, failure: 'not received' });
    expect(parents).toEqual([TRACEPARENT]);
  });

  it('lets a stream that fills up be trimmed of metered calls only', async () => {
    await start(collect);
    await Promise.all(['a', 'b', 'c'].map(publish));
    await untilReceived(3);
    await untilSettled();
    await consumer?.stop();
    await publish('unmetered');
    const jsm = await jetstreamManager(connection);
    expect(await trimRequestsStream(jsm)).toBe(0);
    const { bytes } = (await jsm.streams.info(REQUESTS_STREAM)).state;
    expect(await trimRequestsStream(jsm, bytes)).toBe(3);
    expect((await jsm.streams.info(REQUESTS_STREAM)).state.messages).toBe(1);
  });
});
