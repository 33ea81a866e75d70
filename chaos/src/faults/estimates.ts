import { setTimeout as delay } from 'node:timers/promises';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { RequestCompleted } from '@tensorloop/contracts/request-completed';
import { METERING_CONSUMER, REQUEST_COMPLETED, REQUESTS_STREAM } from '@tensorloop/contracts/subjects';
import { poll } from '@tensorloop/servers/poll';
import pg from 'pg';
import { METERINGS } from '../topology/parts.js';
import { type FaultContext, FaultHadNoEffect, type FaultKind } from './fault.types.js';
import { withNats } from './nats-access.js';
import { startAgain } from './restart.js';

/** What gathers in the stream while nobody reads it. */
const GATHER_MS = 1_500;
const CALLS_MAX = 40;
/** Meterings that have just started, perhaps with a link to PostgreSQL cut for some seconds. */
const BOOKED_MS_MAX = 20_000;

/** The same call, as somebody else would settle it who knows only that its gateway died. */
function estimateOf(event: RequestCompleted): RequestCompleted {
  const { admittedAtMs } = event;
  return {
    ...event,
    outcome: 'gateway_died',
    estimated: true,
    usage: {},
    chargeNanoUsd: '0',
    overrunNanoUsd: '0',
    completedAtMs: admittedAtMs + 60_000,
    latencyMs: 60_000,
    firstByteMs: null,
    attempts: [],
  };
}

/**
 * Calls are settled as estimates by somebody who takes their gateway for dead, and their true ends follow, twice: each must end
 * at its truth, which the other checks see to. The events lie in the stream and nobody has read them, since both meterings are
 * down; the truth is put behind its estimate. For every second call the estimate comes after the truth, and says nothing.
 */
export const estimatesFirst: FaultKind = {
  kind: 'estimates before the truth',
  weight: 3,
  draw: () => ({ target: 'nats', holdMs: 0, detail: {} }),
  locks: () => ['nats', 'postgres', ...METERINGS],
  inject: async (context) => {
    await Promise.all(METERINGS.map((name) => context.installation.part(name).kill()));
    await delay(GATHER_MS);
    const overtaken = await overtake(context).catch((error: Error): string[] => {
      context.log(`no estimate was published: ${error.message}`);
      return [];
    });
    return async () => {
      await Promise.all(METERINGS.map((name) => startAgain(context, name)));
      if (overtaken.length === 0) throw new FaultHadNoEffect('no call of which an estimate could be made waited in the stream');
      await poll(() => areBookedAsCompleted(context, overtaken), {
        timeoutMs: BOOKED_MS_MAX,
        failure: 'estimates were not corrected',
      });
    };
  },
};

/**
 * Whoever hears that a call is booked lets go of it: should the stream be lost between estimate and truth, the truth would be.
 * That is so of any estimate, and not what is tried here: so the parts stay locked until it is over.
 */
async function areBookedAsCompleted({ installation }: FaultContext, requestIds: readonly string[]): Promise<boolean> {
  const client = new pg.Client({ connectionString: installation.databaseUrls.owner });
  await client.connect();
  try {
    const { rows } = await client.query<{ count: number }>(
      `SELECT count(*)::integer AS count FROM metering.usage WHERE request_id = ANY ($1::uuid[]) AND outcome = 'completed'`,
      [requestIds],
    );
    return rows[0]?.count === requestIds.length;
  } finally {
    await client.end();
  }
}

/** Calls of keys and accounts without a limit in reach: until its truth comes, an estimate is less than what was spent. */
function isLimited({ limits }: FaultContext['tenants'], { keyId, accountId, isPrepaid }: RequestCompleted): boolean {
  return limits.keys.has(keyId) || limits.days.has(accountId) || isPrepaid === true;
}

function overtake({ installation, tenants }: FaultContext): Promise<string[]> {
  return withNats(installation, async (connection) => {
    const manager = await jetstreamManager(connection);
    const stream = jetstream(connection);
    const publish = (event: RequestCompleted) =>
      stream.publish(REQUEST_COMPLETED, JSON.stringify(event), { msgID: crypto.randomUUID() });
    const { delivered } = await manager.consumers.info(REQUESTS_STREAM, METERING_CONSUMER);
    const { state } = await manager.streams.info(REQUESTS_STREAM);
    const overtaken: string[] = [];
    // Only what no metering was ever handed: the rest may be booked already.
    for (let seq = delivered.stream_seq + 1; seq <= state.last_seq && overtaken.length < CALLS_MAX; seq++) {
      const message = await manager.streams.getMessage(REQUESTS_STREAM, { seq }).catch(() => null);
      const event = message === null ? null : parse(message.string());
      if (event === null || isLimited(tenants, event)) continue;
      if (overtaken.length % 2 === 0) {
        await publish(estimateOf(event));
        await publish(event);
        await publish(event);
        await manager.streams.deleteMessage(REQUESTS_STREAM, seq);
      } else await publish(estimateOf(event));
      overtaken.push(event.requestId);
    }
    return overtaken;
  });
}

/** Null for what is no whole call that cost something: poison of ours, failures, what is an estimate already. */
function parse(text: string): RequestCompleted | null {
  try {
    const event = JSON.parse(text) as RequestCompleted;
    const isCharged = event.outcome === 'completed' && !event.estimated && BigInt(event.chargeNanoUsd) > 1n;
    return isCharged && BigInt(event.holdNanoUsd) >= BigInt(event.chargeNanoUsd) ? event : null;
  } catch {
    return null;
  }
}
