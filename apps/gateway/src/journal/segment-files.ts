import { closeSync, constants, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeFrames, type Frame } from './frame.js';

const SEGMENT_NAME = /^(\d{12})\.log$/;

/** The segment files of one journal folder, numbered upwards. */
export class SegmentFiles {
  private readonly readers = new Map<number, Promise<FileHandle>>();

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
    this.syncFolder();
    return handle;
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

  delete(segment: number): void {
    const reader = this.readers.get(segment);
    this.readers.delete(segment);
    reader?.then((handle) => handle.close()).catch(() => undefined);
    rmSync(this.pathOf(segment), { force: true });
  }

  async close(): Promise<void> {
    await Promise.allSettled([...this.readers.values()].map(async (reader) => (await reader).close()));
    this.readers.clear();
  }

  private syncFolder(): void {
    const folder = openSync(this.folder, 'r');
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
  }

  private pathOf(segment: number): string {
    return join(this.folder, `${String(segment).padStart(12, '0')}.log`);
  }
}
