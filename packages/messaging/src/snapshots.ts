import { jetstream } from '@nats-io/jetstream';
import { type KV, type KvEntry, Kvm } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';
import { z } from 'zod';
import { retryDelayMs } from './consumer.js';
import { Pause } from './pause.js';

/** A watch is only a hint: the value is read again this often, so that a lost notification heals by itself. */
export const SNAPSHOT_REFRESH_MS = 30_000;

export interface Snapshot<Value> {
  value: Value;
  /** Revision of the KV entry; grows with each write to the bucket. */
  revision: number;
}

/** Validates and writes; returns the entry's revision. Rejects when NATS does not confirm. */
export async function writeSnapshot<Schema extends z.ZodType>(
  bucket: KV,
  key: string,
  content: { schema: Schema; value: z.input<Schema> },
): Promise<number> {
  const value = content.schema.parse(content.value);
  return bucket.put(key, JSON.stringify(value));
}

/** The current snapshot, or null when there is none. Throws SnapshotInvalidError when it does not fit the schema. */
export async function readSnapshot<Schema extends z.ZodType>(
  bucket: KV,
  key: string,
  schema: Schema,
): Promise<Snapshot<z.output<Schema>> | null> {
  const entry = await bucket.get(key);
  return entry === null || entry.operation !== 'PUT' ? null : parseEntry(entry, schema);
}

export class SnapshotInvalidError extends Error {
  readonly code = 'snapshot_invalid';
  constructor(key: string, revision: number, detail: string) {
    super(`snapshot ${key} revision ${revision} is invalid: ${detail}`);
  }
}

export interface SnapshotWatchOptions<Schema extends z.ZodType> {
  connection: NatsConnection;
  bucket: string;
  key: string;
  schema: Schema;
  /** The first value, then every newer one. Never called with invalid content: the last good one stays in force. */
  onValue: (snapshot: Snapshot<z.output<Schema>>) => void;
  /** Invalid content, or a watch that broke and is being renewed. */
  onProblem?: (error: unknown) => void;
  refreshMs?: number;
}

/**
 * Follows one key for as long as the process lives: through lost connections, restarted servers and a bucket that does not
 * exist yet. Deleting the key changes nothing: prices and models stay in force until others replace them.
 */
export class SnapshotWatch<Schema extends z.ZodType> {
  private isStopping = false;
  private isUp = true;
  private lastRevision = 0;
  private lastCreatedMs = 0;
  private attempts = 0;
  private stopRound: () => void = () => {};
  private readonly pause = new Pause();
  private readonly done: Promise<void>;

  constructor(private readonly options: SnapshotWatchOptions<Schema>) {
    this.done = this.followForever();
    void this.renewOnReconnect();
  }

  async stop(): Promise<void> {
    this.isStopping = true;
    this.stopRound();
    this.pause.wake();
    await this.done;
  }

  private async followForever(): Promise<void> {
    while (!this.isStopping && !this.options.connection.isClosed()) {
      try {
        while (!this.isUp && !this.isStopping) await this.pause.sleep(SNAPSHOT_REFRESH_MS);
        await this.followOnce();
        this.attempts = 0;
      } catch (error) {
        if (this.isStopping || this.options.connection.isClosed()) return;
        this.options.onProblem?.(error);
        await this.pause.sleep(retryDelayMs(++this.attempts));
      }
    }
  }

  /** One watch, of limited length. It begins with the current value, so renewing it is also the re-read. */
  private async followOnce(): Promise<void> {
    const kv = await new Kvm(jetstream(this.options.connection)).open(this.options.bucket);
    const entries = await kv.watch({ key: this.options.key });
    let isOver = false;
    this.stopRound = () => {
      isOver = true;
      entries.stop();
    };
    const timer = setTimeout(this.stopRound, this.options.refreshMs ?? SNAPSHOT_REFRESH_MS);
    if (this.isStopping) this.stopRound();
    try {
      for await (const entry of entries) this.take(entry);
      if (!isOver) throw new Error('the watch ended by itself');
    } finally {
      clearTimeout(timer);
      this.stopRound = () => {};
      entries.stop();
    }
  }

  private take(entry: KvEntry): void {
    // A bucket made anew counts from 1 again, so a lower revision that was written later is news as well.
    const createdMs = entry.created.getTime();
    const isNews = entry.revision > this.lastRevision || createdMs > this.lastCreatedMs;
    if (entry.operation !== 'PUT' || !isNews) return;
    this.lastRevision = entry.revision;
    this.lastCreatedMs = createdMs;
    let snapshot: Snapshot<z.output<Schema>>;
    try {
      snapshot = parseEntry(entry, this.options.schema);
    } catch (error) {
      this.options.onProblem?.(error);
      return;
    }
    this.options.onValue(snapshot);
  }

  private async renewOnReconnect(): Promise<void> {
    for await (const status of this.options.connection.status()) {
      if (this.isStopping) return;
      if (status.type === 'reconnect') {
        this.isUp = true;
        this.attempts = 0;
        this.pause.wake();
      } else if (status.type === 'disconnect') {
        this.isUp = false;
        this.stopRound();
      }
    }
    this.isUp = true;
    this.stopRound();
    this.pause.wake();
  }
}

export function watchSnapshot<Schema extends z.ZodType>(options: SnapshotWatchOptions<Schema>): SnapshotWatch<Schema> {
  return new SnapshotWatch(options);
}

function parseEntry<Schema extends z.ZodType>(entry: KvEntry, schema: Schema): Snapshot<z.output<Schema>> {
  let content: unknown;
  try {
    content = entry.json();
  } catch (error) {
    throw new SnapshotInvalidError(entry.key, entry.revision, error instanceof Error ? error.message : String(error));
  }
  const result = schema.safeParse(content);
  if (!result.success) throw new SnapshotInvalidError(entry.key, entry.revision, z.prettifyError(result.error));
  return { value: result.data, revision: entry.revision };
}
