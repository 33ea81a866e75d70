import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import type { RequestCompleted } from '@tensorloop/contracts/request-completed';
import { METERING_CONSUMER, REQUEST_COMPLETED, REQUESTS_STREAM } from '@tensorloop/contracts/subjects';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import type { Random } from '../random.js';
import { FaultHadNoEffect, type FaultKind } from './fault.types.js';
import { withNats } from './nats-access.js';

const DAY_MS = 24 * 60 * 60 * 1000;
/** Far longer than a call takes to be booked where metering and NATS are up. */
const BOOKED_MS_MAX = 20_000;
const BOOKED_AGAIN_MS = 200;

interface Poison {
  /** What metering has to say of it; null = nothing: it has booked the very same already. */
  reason: string | null;
  make(event: RequestCompleted): object | string;
}

const fresh = (event: RequestCompleted) => ({ ...event, requestId: uuid7() });

const POISON: Record<string, Poison> = {
  garbage: { reason: 'invalid', make: () => `not JSON ${crypto.randomUUID()}` },
  'another shape': { reason: 'invalid', make: () => ({ v: 1, nonce: crypto.randomUUID() }) },
  'an id of the future': { reason: 'id_time', make: (event) => ({ ...event, requestId: uuid7(Date.now() + 3 * DAY_MS) }) },
  'a day that is not its own': { reason: 'scope_mismatch', make: (event) => ({ ...fresh(event), day: '2026-01-02' }) },
  'a price nobody has': { reason: 'price_missing', make: (event) => ({ ...fresh(event), priceVersionId: uuid7() }) },
  'another charge': {
    reason: 'price_mismatch',
    make: (event) => ({ ...fresh(event), chargeNanoUsd: String(BigInt(event.chargeNanoUsd) - 1n) }),
  },
  'a booked call with other content': {
    reason: 'payload_mismatch',
    make: (event) => ({ ...event, latencyMs: event.latencyMs + 1 + Math.random() }),
  },
  'a booked call once more': { reason: null, make: (event) => event },
};

export const POISON_NAMES = Object.keys(POISON);

/** Events that nobody should have published, made of a call that was booked. */
export const poisonStream: FaultKind = {
  kind: 'poison stream',
  weight: 6,
  draw: (random: Random) => ({ target: 'nats', holdMs: 0, detail: { poison: random.pick(POISON_NAMES) } }),
  locks: () => ['nats'],
  inject: async ({ installation, facts }, plan) => {
    const { reason, make } = POISON[String(plan.detail.poison)] as Poison;
    await withNats(installation, async (connection) => {
      const event = await findBookedSoon(connection, (data) => facts.poison.has(hashOf(data)));
      if (event === null) throw new FaultHadNoEffect('no call was booked of which poison could be made');
      const made = make(event);
      const payload = Buffer.from(typeof made === 'string' ? made : JSON.stringify(made));
      // Another message id: the server's own dedupe must not be what saves the books.
      await jetstream(connection).publish(REQUEST_COMPLETED, payload, { msgID: crypto.randomUUID() });
      if (reason !== null) facts.poison.set(hashOf(payload), { reason, publishedAtMs: Date.now() });
    });
    return async () => undefined;
  },
};

function hashOf(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

/** Waits for one: the faults before may have cut all calls so far, and what came after them is not booked yet. */
async function findBookedSoon(
  connection: NatsConnection,
  isPoison: (data: Uint8Array) => boolean,
): Promise<RequestCompleted | null> {
  const deadline = performance.now() + BOOKED_MS_MAX;
  let event = await findBooked(connection, isPoison);
  while (event === null && performance.now() < deadline) {
    await delay(BOOKED_AGAIN_MS);
    event = await findBooked(connection, isPoison);
  }
  return event;
}

/** The newest charged event that metering has acknowledged, and booked: it acknowledges poison as well. */
async function findBooked(
  connection: NatsConnection,
  isPoison: (data: Uint8Array) => boolean,
): Promise<RequestCompleted | null> {
  const manager = await jetstreamManager(connection);
  const consumer = await manager.consumers.info(REQUESTS_STREAM, METERING_CONSUMER);
  for (let seq = consumer.ack_floor.stream_seq, tries = 0; seq > 0 && tries < 50; seq--, tries++) {
    const message = await manager.streams.getMessage(REQUESTS_STREAM, { seq }).catch(() => null);
    const event = message === null || isPoison(message.data) ? null : parse(message.string());
    if (event?.outcome === 'completed' && BigInt(event.chargeNanoUsd) > 1n) return event;
  }
  return null;
}

/** Null for what is no event. */
function parse(text: string): RequestCompleted | null {
  try {
    const value = JSON.parse(text) as RequestCompleted;
    return typeof value.chargeNanoUsd === 'string' && typeof value.outcome === 'string' ? value : null;
  } catch {
    return null;
  }
}
