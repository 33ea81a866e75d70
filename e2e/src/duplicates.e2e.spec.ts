import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, headers, type NatsConnection } from '@nats-io/transport-node';
import { type RequestCompleted, requestCompletedSchema } from '@tensorloop/contracts/request-completed';
import { REQUEST_COMPLETED, REQUESTS_STREAM } from '@tensorloop/contracts/subjects';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { chat } from './harness/chat.js';
import { Installation, type KeyHolder, SETUP_TIMEOUT_MS } from './harness/installation.js';

let installation: Installation;
let holder: KeyHolder;
let connection: NatsConnection;
let copies = 0;

beforeAll(async () => {
  installation = await Installation.start();
  holder = await installation.mint(await installation.signUp('pro'));
  connection = await connect({ servers: installation.nats.url });
}, SETUP_TIMEOUT_MS);
afterAll(async () => {
  await connection?.close();
  await installation?.stop();
}, SETUP_TIMEOUT_MS);

/** The event as the gateway published it. */
async function eventOf(requestId: string): Promise<RequestCompleted> {
  const manager = await jetstreamManager(connection);
  return waitUntil(async () => {
    const { state } = await manager.streams.info(REQUESTS_STREAM);
    const last = await manager.streams.getMessage(REQUESTS_STREAM, { seq: state.last_seq });
    const event = requestCompletedSchema.parse(last?.json());
    return event.requestId === requestId ? event : null;
  });
}

/** Straight into the stream, with a message id of its own: the server's own dedupe must not be what protects us. */
async function publish(event: RequestCompleted): Promise<void> {
  const messageHeaders = headers();
  messageHeaders.set('Nats-Msg-Id', `copy-${++copies}`);
  await jetstream(connection).publish(REQUEST_COMPLETED, JSON.stringify(event), { headers: messageHeaders });
}

async function quarantinedReasons(): Promise<string[]> {
  const rows = await installation.database.query<{ reason: string }>('SELECT reason FROM metering.quarantine');
  return rows.map(({ reason }) => reason);
}

async function meteredCalls(): Promise<number> {
  return (await holder.dashboard.activity({ limit: '200' })).data.length;
}

describe('an event that metering has booked', () => {
  it('is charged once when it is delivered again, and quarantines nothing', async () => {
    const { requestId } = await chat(holder.client);
    const event = await eventOf(requestId);
    await publish(event);
    await publish(event);
    // A later call is booked after the copies, so once it is visible they have been dealt with.
    await chat(holder.client);
    await waitUntil(async () => (await meteredCalls()) >= 2);
    await installation.auditExactly(2);
    expect(await meteredCalls()).toBe(2);
    expect(await quarantinedReasons()).toEqual([]);
  });

  it('is charged once when it comes again with another payload, which is quarantined', async () => {
    const { requestId } = await chat(holder.client);
    const event = await eventOf(requestId);
    await publish({ ...event, latencyMs: event.latencyMs + 1 });
    await publish({ ...event, usage: { ...event.usage, output: (event.usage.output ?? 0) + 1 } });
    await publish({ ...event, model: 'gpt-4o' });
    await waitUntil(async () => (await quarantinedReasons()).length === 3);
    expect((await quarantinedReasons()).sort()).toEqual(['payload_mismatch', 'price_mismatch', 'price_mismatch']);
    expect(await meteredCalls()).toBe(3);
  });

  it('leaves books in which nothing but the quarantine needs attention', async () => {
    const report = await installation.audit();
    expect(report.checks.filter((check) => check.differenceCount > 0).map((check) => check.name)).toEqual([
      'quarantine: empty',
    ]);
    expect(report.requests).toBe(3n);
  });
});
