import { jetstream } from '@nats-io/jetstream';
import { type KV, Kvm } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';
import {
  FENCE_AFTER_MS,
  type GatewayHeartbeat,
  gatewayHeartbeatSchema,
  HEARTBEAT_MS,
} from '@tensorloop/contracts/gateway-registry';
import { GATEWAYS_BUCKET } from '@tensorloop/contracts/subjects';
import { ensureBuckets } from './streams.js';

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

/** Gateways whose last beat is younger than FENCE_AFTER_MS at `nowMs`. Rejects when NATS cannot say. */
export async function listLiveGateways(connection: NatsConnection, nowMs: number): Promise<GatewayHeartbeat[]> {
  const bucket = await openGateways(connection);
  const live: GatewayHeartbeat[] = [];
  // A set, since a key that is written while they are listed comes twice.
  const gatewayIds = new Set<string>();
  for await (const key of await bucket.keys()) gatewayIds.add(key);
  for (const key of gatewayIds) {
    const entry = await bucket.get(key);
    if (entry === null || entry.operation !== 'PUT') continue;
    const beat = gatewayHeartbeatSchema.safeParse(JSON.parse(entry.string()));
    // The server's own time of the write, not the writer's: one gateway's wrong clock must not fence it or keep it alive.
    if (beat.success && nowMs - entry.created.getTime() < FENCE_AFTER_MS) live.push(beat.data);
  }
  return live;
}

function openGateways(connection: NatsConnection): Promise<KV> {
  return new Kvm(jetstream(connection)).open(GATEWAYS_BUCKET);
}
