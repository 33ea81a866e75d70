import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { type KV, type KvEntry, Kvm } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';
import {
  FENCE_AFTER_MS,
  type GatewayHeartbeat,
  gatewayHeartbeatSchema,
  HEARTBEAT_MS,
} from '@tensorloop/contracts/gateway-registry';
import { GATEWAYS_BUCKET } from '@tensorloop/contracts/subjects';
import { ensureBuckets } from './streams.js';

/** A KV bucket is a stream of this name. */
const GATEWAYS_STREAM = `KV_${GATEWAYS_BUCKET}`;

export interface HeartbeatOptions {
  connection: NatsConnection;
  gatewayId: string;
  /** Told of each beat that NATS confirmed, and of each that failed; the next one follows in any case. */
  onBeat?: (beatAtMs: number) => void;
  onProblem?: (error: unknown) => void;
  intervalMs?: number;
}

/**
 * Keeps this gateway registered. `lastBeatAtMs` lets it know that others may have fenced it: a gateway whose last confirmed
 * beat is older than FENCE_AFTER_MS must assume so.
 */
export class Heartbeat {
  private readonly startedAtMs = Date.now();
  private readonly timer: NodeJS.Timeout;
  private confirmedAtMs = 0;
  private isBeating = false;
  private beating: Promise<void> = Promise.resolve();
  private bucket: KV | null = null;

  constructor(private readonly options: HeartbeatOptions) {
    this.timer = setInterval(() => this.beat(), options.intervalMs ?? HEARTBEAT_MS);
    this.timer.unref();
    this.beat();
  }

  /** Unix milliseconds of the last beat that NATS confirmed; 0 before the first. */
  get lastBeatAtMs(): number {
    return this.confirmedAtMs;
  }

  /** Ends the beats. The entry stays until it expires: the journal may hold calls that the next start will settle. */
  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.beating;
  }

  /** Ends the beats and signs off. Only for a gateway whose journal is empty: nobody will wait for it any more. */
  async leave(): Promise<void> {
    await this.stop();
    await this.bucket?.delete(this.options.gatewayId);
  }

  private beat(): void {
    if (this.isBeating) return;
    this.isBeating = true;
    this.beating = this.put()
      .catch((error: unknown) => {
        // The bucket itself may be gone: it is created again before the next beat.
        this.bucket = null;
        this.options.onProblem?.(error);
      })
      .finally(() => {
        this.isBeating = false;
      });
  }

  private async put(): Promise<void> {
    const { connection, gatewayId } = this.options;
    const beatAtMs = Date.now();
    const beat: GatewayHeartbeat = { v: 1, gatewayId, startedAtMs: this.startedAtMs, beatAtMs };
    this.bucket ??= (await ensureBuckets(connection)).gateways;
    await this.bucket.put(gatewayId, JSON.stringify(beat));
    this.confirmedAtMs = beatAtMs;
    this.options.onBeat?.(beatAtMs);
  }
}

export function startHeartbeat(options: HeartbeatOptions): Heartbeat {
  return new Heartbeat(options);
}

/**
 * Gateways whose last beat is younger than `fenceAfterMs`. Rejects when NATS cannot say. Age is taken by the server's clock
 * alone: by the reader's, one that runs half a minute ahead would fence every live gateway and rebuild without its holds,
 * and one that runs behind would wait for a dead one for ever.
 */
export async function listLiveGateways(
  connection: NatsConnection,
  fenceAfterMs: number = FENCE_AFTER_MS,
): Promise<GatewayHeartbeat[]> {
  const bucket = await openGateways(connection);
  const asOfMs = await readServerClock(connection);
  const live: GatewayHeartbeat[] = [];
  // A set, since a key that is written while they are listed comes twice.
  const gatewayIds = new Set<string>();
  for await (const key of await bucket.keys()) gatewayIds.add(key);
  for (const key of gatewayIds) {
    const entry = await bucket.get(key);
    if (entry === null || entry.operation !== 'PUT') continue;
    // The server's own time of the write, not the writer's: one gateway's wrong clock must not fence it or keep it alive.
    if (asOfMs - entry.created.getTime() < fenceAfterMs) live.push(readBeat(entry));
  }
  return live;
}

/** A beat that we cannot read (of a later release) is a beat all the same: its gateway lives and holds what it holds. */
function readBeat(entry: KvEntry): GatewayHeartbeat {
  const beat = gatewayHeartbeatSchema.safeParse(jsonOf(entry));
  return beat.success ? beat.data : { v: 1, gatewayId: entry.key, startedAtMs: 0, beatAtMs: entry.created.getTime() };
}

function jsonOf(entry: KvEntry): unknown {
  try {
    return entry.json();
  } catch {
    return null;
  }
}

/** The clock that stamps the beats. */
async function readServerClock(connection: NatsConnection): Promise<number> {
  const manager = await jetstreamManager(connection, { checkAPI: false });
  const { ts } = await manager.streams.info(GATEWAYS_STREAM);
  const clockMs = Date.parse(ts ?? '');
  if (Number.isNaN(clockMs)) throw new Error('the NATS server did not say what time it is (it is older than 2.10)');
  return clockMs;
}

function openGateways(connection: NatsConnection): Promise<KV> {
  return new Kvm(jetstream(connection)).open(GATEWAYS_BUCKET);
}
