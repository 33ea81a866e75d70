import type { FileHandle } from 'node:fs/promises';
import type { SegmentFiles } from './segment-files.js';

/** A segment is closed and the next one begun above this size. */
export const SEGMENT_BYTES = 16 * 1024 * 1024;
/** A record that nobody waits for reaches the disk with the next that somebody does, or after this long. */
export const LAZY_FLUSH_MS = 250;
/** One that is waited for only after other work: the provider is asked meanwhile, and takes longer than this. */
export const UNHURRIED_FLUSH_MS = 4;
/** Pause before a failed batch is written again, to a fresh segment. */
export const FAILED_WRITE_RETRY_MS = 500;

/** Told where a record lies once it is on the disk. */
export type Placed = (segment: number, offset: number) => void;

interface Queued {
  frame: Buffer;
  onPlaced: Placed | null;
}

export interface GroupCommitOptions {
  files: SegmentFiles;
  firstSegment: number;
  segmentBytes?: number;
  /** A segment will not be written to again; `bytes` is its length. */
  onSealed: (segment: number, bytes: number) => void;
}

/**
 * Group commit: records of all calls that arrive while the disk is busy go out in one durable write. A batch that fails is
 * written again whole to a fresh segment; a part of it that did reach the old one repeats records, which replay allows.
 */
export class GroupCommit {
  pendingBytes = 0;
  /** Bytes in the current segment. */
  writtenBytes = 0;
  segment: number;
  /** Writes that failed since the last that worked. */
  failures = 0;
  private handle: FileHandle | null = null;
  /** The segment after this one, made before it is needed: making a file that survives a crash takes milliseconds. */
  private next: Promise<FileHandle | null> | null = null;
  private queue: Queued[] = [];
  private waiters: (() => void)[] = [];
  private isBusy = false;
  /** Somebody waits for what is in the queue; else it may gather. */
  private isHurried = false;
  private isClosed = false;
  private unhurriedTimer: NodeJS.Timeout | null = null;
  private lazyTimer: NodeJS.Timeout | null = null;
  private readonly segmentBytesMax: number;

  constructor(private readonly options: GroupCommitOptions) {
    this.segment = options.firstSegment;
    this.segmentBytesMax = options.segmentBytes ?? SEGMENT_BYTES;
  }

  append(frame: Buffer, onPlaced: Placed | null = null): void {
    this.queue.push({ frame, onPlaced });
    this.pendingBytes += frame.length;
  }

  /** Resolves once everything appended so far is on the disk. */
  durable(): Promise<void> {
    return new Promise((resolve) => {
      this.waiters.push(resolve);
      this.schedule();
    });
  }

  /**
   * As `durable`, for a caller that has something else to do first: its records go with the next that are hurried, which halves the
   * writes of a busy gateway, or after UNHURRIED_FLUSH_MS.
   */
  durableSoon(): Promise<void> {
    this.unhurriedTimer ??= setTimeout(() => {
      this.unhurriedTimer = null;
      if (this.waiters.length > 0) this.schedule();
    }, UNHURRIED_FLUSH_MS);
    return new Promise((resolve) => {
      this.waiters.push(resolve);
    });
  }

  /** For records that nobody waits for. */
  flushLater(): void {
    if (this.lazyTimer !== null) return;
    this.lazyTimer = setTimeout(() => {
      this.lazyTimer = null;
      this.schedule();
    }, LAZY_FLUSH_MS);
    this.lazyTimer.unref();
  }

  async close(): Promise<void> {
    // A batch may be under way although the queue is empty; behind it nothing is begun any more.
    if (this.isBusy || this.queue.length > 0) await this.durable();
    this.isClosed = true;
    if (this.lazyTimer !== null) clearTimeout(this.lazyTimer);
    if (this.unhurriedTimer !== null) clearTimeout(this.unhurriedTimer);
    await this.handle?.close();
    this.handle = null;
    await (await this.next)?.close();
    this.next = null;
  }

  /** The end of the tick gathers what all the calls of this tick append. */
  private schedule(): void {
    this.isHurried = true;
    if (this.isBusy) return;
    this.isBusy = true;
    setImmediate(() => void this.drain());
  }

  private async drain(): Promise<void> {
    while (this.isHurried) {
      this.isHurried = false;
      const batch = this.queue;
      const waiters = this.waiters;
      this.queue = [];
      this.waiters = [];
      if (batch.length > 0) await this.writeUntilDurable(batch);
      for (const resolve of waiters) resolve();
    }
    this.isBusy = false;
  }

  private async writeUntilDurable(batch: Queued[]): Promise<void> {
    const bytes = batch.length === 1 ? (batch[0] as Queued).frame : Buffer.concat(batch.map((record) => record.frame));
    for (;;) {
      try {
        await this.write(bytes);
        break;
      } catch {
        this.failures += 1;
        await this.seal();
        await new Promise((resolve) => setTimeout(resolve, FAILED_WRITE_RETRY_MS));
      }
    }
    this.failures = 0;
    let offset = this.writtenBytes;
    for (const record of batch) {
      record.onPlaced?.(this.segment, offset);
      offset += record.frame.length;
    }
    this.writtenBytes = offset;
    this.pendingBytes -= bytes.length;
    if (this.writtenBytes >= this.segmentBytesMax) await this.seal();
    else if (!this.isClosed && this.writtenBytes >= this.segmentBytesMax / 2)
      this.next ??= this.options.files.create(this.segment + 1).catch(() => null);
  }

  private async write(bytes: Buffer): Promise<void> {
    this.handle ??= (await this.takeNext()) ?? (await this.options.files.create(this.segment));
    for (let at = 0; at < bytes.length; ) {
      const { bytesWritten } = await this.handle.write(bytes, at, bytes.length - at);
      at += bytesWritten;
    }
  }

  private async takeNext(): Promise<FileHandle | null> {
    const handle = await this.next;
    this.next = null;
    return handle;
  }

  /** Ends the current segment; the next write begins another. */
  private async seal(): Promise<void> {
    const { segment, writtenBytes } = this;
    await this.handle?.close().catch(() => undefined);
    this.handle = null;
    this.segment += 1;
    this.writtenBytes = 0;
    this.options.onSealed(segment, writtenBytes);
  }
}
