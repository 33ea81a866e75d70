import { constants, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeFrames, type Frame } from './frame.js';

const SEGMENT_NAME = /^(\d{12})\.log$/;

/** The segment files of one journal folder, numbered upwards. */
export class SegmentFiles {
  private readonly readers = new Map<number, Promise<FileHandle>>();
  /** Segments that may go, oldest first. */
  private readonly deletable: number[] = [];
  private deleting: Promise<void> | null = null;

  constructor(private readonly folder: string) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  list(): number[] {
    const numbers = readdirSync(this.folder).flatMap((name) => SEGMENT_NAME.exec(name)?.[1] ?? []);
    return numbers.map(Number).sort((left, right) => left - right);
  }

  read(segment: number): { frames: Frame[]; bytes: number } {
    const bytes = readFileSync(this.pathOf(segment));
    return { frames: decodeFrames(bytes), bytes: bytes.length };
  }

  /**
   * A fresh segment, open for appending. O_DSYNC makes one write do the work of write + fdatasync in one round to the kernel.
   * The folder is fsynced too: a file whose name is lost in a crash is lost with all its records.
   */
  async create(segment: number): Promise<FileHandle> {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_APPEND | constants.O_DSYNC;
    const handle = await open(this.pathOf(segment), flags, 0o600);
    try {
      await this.syncFolder();
      return handle;
    } catch (error) {
      // Nothing was written to it, and its number is tried again.
      await handle.close();
      await rm(this.pathOf(segment), { force: true });
      throw error;
    }
  }

  async readAt(at: { segment: number; offset: number; bytes: number }): Promise<string> {
    let reader = this.readers.get(at.segment);
    if (reader === undefined) {
      reader = open(this.pathOf(at.segment), 'r');
      this.readers.set(at.segment, reader);
      reader.catch(() => this.readers.delete(at.segment));
    }
    const { buffer, bytesRead } = await (await reader).read(Buffer.allocUnsafe(at.bytes), 0, at.bytes, at.offset);
    return buffer.toString('utf8', 0, bytesRead);
  }

  /**
   * Deletes off the event loop, since taking 16 MB off a disk can take 20 ms, and in the order asked for: a crash in between
   * must not leave records whose `acked` record, in a later segment, is gone already.
   */
  delete(segment: number): void {
    const reader = this.readers.get(segment);
    this.readers.delete(segment);
    reader?.then((handle) => handle.close()).catch(() => undefined);
    this.deletable.push(segment);
    this.deleting ??= this.deleteNext().finally(() => {
      this.deleting = null;
    });
  }

  /** Resolves once the files that were to go are gone. */
  async close(): Promise<void> {
    await this.deleting;
    await Promise.allSettled([...this.readers.values()].map(async (reader) => (await reader).close()));
    this.readers.clear();
  }

  /** One that cannot be deleted holds up all behind it, until the next is to go or the next start. */
  private async deleteNext(): Promise<void> {
    for (let segment = this.deletable[0]; segment !== undefined; segment = this.deletable[0]) {
      try {
        await rm(this.pathOf(segment), { force: true });
      } catch {
        return;
      }
      this.deletable.shift();
    }
  }

  private async syncFolder(): Promise<void> {
    const folder = await open(this.folder, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }

  private pathOf(segment: number): string {
    return join(this.folder, `${String(segment).padStart(12, '0')}.log`);
  }
}
