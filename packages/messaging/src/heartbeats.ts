import { randomUUID } from 'node:crypto';
import { JetStreamApiError, jetstream, jetstreamManager } from '@nats-io/jetstream';
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

/** A KV bucket is a stream of this name, and a key in it a subject that begins so. */
const GATEWAYS_STREAM = `KV_${GATEWAYS_BUCKET}`;
const KEY_SUBJECT = `$KV.${GATEWAYS_BUCKET}.`;

/** "Wrong last sequence", with and without the sequence (nats-server error list): somebody else wrote the key. */
const WRONG_REVISION: ReadonlySet<number> = new Set([10_071, 10_164]);
/** Looks at a key that others write in the same instant; the next beat goes on from there. */
const CLAIM_ROUNDS_MAX = 3;

export interface HeartbeatOptions {
  connection: NatsConnection;
  gatewayId: string;
  /** Of the journal folder, whose lock keeps two processes apart. Left out: no other process shares this one's folder. */
  journalId?: string;
  /** Told of each beat that NATS confirmed, and of each that failed; the next one follows in any case. */
  onBeat?: (beatAtMs: number) => void;
  onProblem?: (error: unknown) => void;
  /** Another gateway beats under this id. No beat follows: both would answer for each other's holds. */
  onTaken?: (error: GatewayIdTakenError) => void;
  intervalMs?: number;
  /** Unix milliseconds. What a beat says of time is shown to people and compared with nothing but other beats of its sender. */
  clock?: () => number;
}

export class GatewayIdTakenError extends Error {
  override readonly name = 'GatewayIdTakenError';
  readonly code = 'gateway_id_taken';
  constructor(gatewayId: string) {
    super(
      `The id "${gatewayId}" belongs to another running gateway with another journal folder. Give each gateway a GATEWAY_ID of its own.`,
    );
  }
}

/**
 * Keeps this gateway registered. `lastBeatAtMs` lets it know that others may have fenced it: a gateway whose last confirmed
 * beat is older than FENCE_AFTER_MS must assume so.
 */
export class Heartbeat {
  private readonly clock: () => number;
  private readonly startedAtMs: number;
  private readonly timer: NodeJS.Timeout;
  private confirmedAtMs = 0;
  private isBeating = false;
  private beating: Promise<void> = Promise.resolve();
  private bucket: KV | null = null;
  private readonly instanceId = randomUUID();
  /** Of our last beat in the bucket; 0 before the first. */
  private revision = 0;

  constructor(private readonly options: HeartbeatOptions) {
    this.clock = options.clock ?? Date.now;
    this.startedAtMs = this.clock();
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
    if (this.revision === 0) return;
    await this.bucket?.delete(this.options.gatewayId, { previousSeq: this.revision });
  }

  /** A beat at once, for a connection that has just come back. */
  beat(): void {
    if (this.isBeating) return;
    this.isBeating = true;
    this.beating = this.put()
      .catch((error: unknown) => {
        // The bucket itself may be gone: it is created again before the next beat.
        this.bucket = null;
        if (!(error instanceof GatewayIdTakenError)) return this.options.onProblem?.(error);
        clearInterval(this.timer);
        this.options.onTaken?.(error);
      })
      .finally(() => {
        this.isBeating = false;
      });
  }

  private async put(): Promise<void> {
    const { connection, gatewayId } = this.options;
    const beatAtMs = this.clock();
    const { startedAtMs, instanceId } = this;
    const beat: GatewayHeartbeat = { v: 1, gatewayId, startedAtMs, beatAtMs, instanceId, journalId: this.journalId };
    this.bucket ??= (await ensureBuckets(connection)).gateways;
    this.revision = await this.write(this.bucket, JSON.stringify(beat));
    this.confirmedAtMs = beatAtMs;
    this.options.onBeat?.(beatAtMs);
  }

  private get journalId(): string {
    return this.options.journalId ?? this.instanceId;
  }

  /** Over our own last beat and nothing else; where something else stands there, it is looked at first. */
  private async write(bucket: KV, beat: string): Promise<number> {
    const { gatewayId } = this.options;
    let { revision } = this;
    for (let round = 1; ; round++) {
      try {
        return await (revision === 0 ? bucket.create(gatewayId, beat) : bucket.update(gatewayId, beat, revision));
      } catch (error) {
        const isOverwritten = error instanceof JetStreamApiError && WRONG_REVISION.has(error.code);
        if (!isOverwritten || round > CLAIM_ROUNDS_MAX) throw error;
      }
      const entry = await bucket.get(gatewayId);
      const isGone = entry === null || entry.operation !== 'PUT';
      if (!isGone && (await this.isAnother(entry))) throw new GatewayIdTakenError(gatewayId);
      revision = isGone ? 0 : entry.revision;
    }
  }

  /** True = the entry is of another gateway that may be alive, and not of this process or of an earlier one on our journal. */
  private async isAnother(entry: KvEntry): Promise<boolean> {
    const { instanceId, journalId, startedAtMs } = readBeat(entry);
    if (instanceId === this.instanceId) return false;
    // Gateways of an earlier release do not name their journal: before our own first beat it is taken to be our last run.
    const isFirstBeat = this.confirmedAtMs === 0;
    const isOurJournal = journalId === this.journalId || (journalId === undefined && isFirstBeat);
    // The folder's lock lets no later process on it while we run: one that began later runs on a copy.
    if (isOurJournal) return !isFirstBeat && startedAtMs > this.startedAtMs;
    return (await readServerClock(this.options.connection)) - entry.created.getTime() < FENCE_AFTER_MS;
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
  const { clockMs: asOfMs, gatewayIds } = await readBucket(connection);
  const live: GatewayHeartbeat[] = [];
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

/** Which list of gateways this is, and for how long it has existed by the server's clock. A lost one is followed by another. */
export async function readRegistry(connection: NatsConnection): Promise<{ bornAt: string; ageMs: number }> {
  const { created, clockMs } = await readBucket(connection);
  return { bornAt: created, ageMs: clockMs - Date.parse(created) };
}

/** The clock that stamps the beats. */
async function readServerClock(connection: NatsConnection): Promise<number> {
  return (await readBucket(connection)).clockMs;
}

interface Bucket {
  created: string;
  clockMs: number;
  gatewayIds: string[];
}

/**
 * The keys out of one answer of the server about the stream. Listing them through a consumer, as `KV.keys` does, leaves out some or all when a
 * beat is stored meanwhile: whoever is left out would count as dead, and what it holds as free.
 */
async function readBucket(connection: NatsConnection): Promise<Bucket> {
  const manager = await jetstreamManager(connection, { checkAPI: false });
  const { created, ts, state } = await manager.streams.info(GATEWAYS_STREAM, { subjects_filter: `${KEY_SUBJECT}>` });
  const clockMs = Date.parse(ts ?? '');
  if (Number.isNaN(clockMs)) throw new Error('the NATS server did not say what time it is (it is older than 2.10)');
  const gatewayIds = Object.keys(state.subjects ?? {}).map((subject) => subject.slice(KEY_SUBJECT.length));
  return { created, clockMs, gatewayIds };
}

function openGateways(connection: NatsConnection): Promise<KV> {
  return new Kvm(jetstream(connection)).open(GATEWAYS_BUCKET);
}
