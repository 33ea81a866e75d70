import {
  AckPolicy,
  type ConsumerConfig,
  DeliverPolicy,
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
  ReplayPolicy,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from '@nats-io/jetstream';
import { type KV, Kvm } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';
import { FENCE_AFTER_MS } from '@tensorloop/contracts/gateway-registry';
import { GATEWAYS_BUCKET, METERING_CONSUMER, REQUESTS_STREAM, SNAPSHOTS_BUCKET } from '@tensorloop/contracts/subjects';

const DAY_MS = 24 * 60 * 60 * 1000;

export const REQUESTS_SUBJECTS = 'request.>';
export const REQUESTS_MAX_AGE_MS = 14 * DAY_MS;
/** Server-side dedupe by message id. An optimisation: metering's own dedupe never expires. */
export const REQUESTS_DUPLICATE_WINDOW_MS = 2 * 60 * 1000;
/** About two million calls. A full stream refuses publishes (the gateway's journal keeps them); `trimRequestsStream` prevents it. */
export const REQUESTS_BYTES_MAX = 2 * 1024 ** 3;
/** Share of REQUESTS_BYTES_MAX above which already metered calls are removed from the stream. */
export const REQUESTS_TRIM_SHARE = 0.5;

export const METERING_ACK_WAIT_MS = 60_000;
export const METERING_ACK_PENDING_MAX = 5_000;

/** A heartbeat outlives the fence, so that a reader can tell "fenced" from "never seen". */
export const GATEWAYS_TTL_MS = 4 * FENCE_AFTER_MS;
export const SNAPSHOTS_HISTORY = 5;

/** "Stream name already in use with a different configuration" (nats-server error list). */
const STREAM_CONFIG_DIFFERS = 10_058;
/** "Consumer already exists", said when its configuration is another (nats-server error list). */
const CONSUMER_CONFIG_DIFFERS = 10_148;

export { jetstreamManager };

/**
 * Creates the stream of billable facts, or brings an existing one to this shape. Idempotent and safe to race.
 * `bytesMax` is the only size limit: with `discard: new` a second limit would make refusals depend on which came first.
 */
export async function ensureRequestsStream(jsm: JetStreamManager, bytesMax = REQUESTS_BYTES_MAX): Promise<void> {
  const config = {
    name: REQUESTS_STREAM,
    subjects: [REQUESTS_SUBJECTS],
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.New,
    max_bytes: bytesMax,
    max_age: nanos(REQUESTS_MAX_AGE_MS),
    duplicate_window: nanos(REQUESTS_DUPLICATE_WINDOW_MS),
  } satisfies Partial<StreamConfig>;
  try {
    await jsm.streams.add(config);
  } catch (error) {
    if (!(error instanceof JetStreamApiError) || error.code !== STREAM_CONFIG_DIFFERS) throw error;
    await jsm.streams.update(REQUESTS_STREAM, config);
  }
}

/**
 * Creates or updates metering's durable pull consumer. Replicas share it. It never gives up on a message: what cannot be
 * metered is quarantined by metering, not dropped by the server. The stream must exist.
 */
export async function ensureMeteringConsumer(jsm: JetStreamManager): Promise<void> {
  const config = {
    durable_name: METERING_CONSUMER,
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(METERING_ACK_WAIT_MS),
    deliver_policy: DeliverPolicy.All,
    replay_policy: ReplayPolicy.Instant,
    max_deliver: -1,
    max_ack_pending: METERING_ACK_PENDING_MAX,
  } satisfies Partial<ConsumerConfig>;
  try {
    await jsm.consumers.add(REQUESTS_STREAM, config);
  } catch (error) {
    if (!(error instanceof JetStreamApiError) || error.code !== CONSUMER_CONFIG_DIFFERS) throw error;
    await jsm.consumers.update(REQUESTS_STREAM, METERING_CONSUMER, config);
  }
}

/** The KV buckets of snapshots (kept) and of gateway heartbeats (expiring). Idempotent. */
export async function ensureBuckets(connection: NatsConnection): Promise<{ snapshots: KV; gateways: KV }> {
  const kvm = new Kvm(jetstream(connection));
  const snapshots = await kvm.create(SNAPSHOTS_BUCKET, { history: SNAPSHOTS_HISTORY });
  const gateways = await kvm.create(GATEWAYS_BUCKET, { history: 1, ttl: GATEWAYS_TTL_MS });
  return { snapshots, gateways };
}

/**
 * Removes calls that metering has acknowledged once the stream has grown past REQUESTS_TRIM_SHARE of its size. Without it
 * a busy installation would fill the stream with metered calls and then refuse new ones. Returns how many were removed.
 */
export async function trimRequestsStream(jsm: JetStreamManager, bytesMax = REQUESTS_BYTES_MAX): Promise<number> {
  const info = await jsm.streams.info(REQUESTS_STREAM);
  if (info.state.bytes < bytesMax * REQUESTS_TRIM_SHARE) return 0;
  const consumer = await jsm.consumers.info(REQUESTS_STREAM, METERING_CONSUMER);
  const { purged } = await jsm.streams.purge(REQUESTS_STREAM, { seq: consumer.ack_floor.stream_seq + 1 });
  return purged;
}

function nanos(milliseconds: number): number {
  return milliseconds * 1_000_000;
}
