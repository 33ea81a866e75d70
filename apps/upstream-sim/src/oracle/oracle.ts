import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { OracleRecord } from '@tensorloop/contracts/oracle-record';
import { log } from '../server/log.js';

/** The record of served calls. */
export interface Oracle {
  /** Resolves once the record is on disk. */
  append(record: OracleRecord): Promise<void>;
  /** Waits for what was appended and closes the file. */
  close(): Promise<void>;
}

const NEWLINE = 0x0a;
/** Longer than any record, so that a torn line lies wholly within this many bytes of the end. */
const TAIL_BYTES_MAX = 64 * 1024;

/** Opens the oracle's file for appending; with `path` null nothing is recorded. */
export async function createOracle(path: string | null): Promise<Oracle> {
  if (path === null) return { append: () => Promise.resolve(), close: () => Promise.resolve() };
  await mkdir(dirname(path), { recursive: true });
  const file = await open(path, 'a+');
  await cutTornLine(file);
  return new FileOracle(file);
}

/**
 * A process killed while it wrote leaves half a line, which no caller was ever promised. It is cut, because a record
 * written behind it would otherwise be lost with it.
 */
async function cutTornLine(file: FileHandle): Promise<void> {
  const { size } = await file.stat();
  const length = Math.min(size, TAIL_BYTES_MAX);
  if (length === 0) return;
  const tail = Buffer.alloc(length);
  await file.read(tail, 0, length, size - length);
  if (tail[length - 1] === NEWLINE) return;
  const lastNewline = tail.lastIndexOf(NEWLINE);
  if (lastNewline === -1 && length < size)
    throw new Error('the oracle file ends in a line longer than any record: is it a record of served calls?');
  await file.truncate(size - length + lastNewline + 1);
}

interface Waiter {
  resolve(): void;
}

/** Group commit: while one write is being synced the next lines gather, so the disk is asked once for many calls. */
class FileOracle implements Oracle {
  private lines = '';
  private waiters: Waiter[] = [];
  private committing: Promise<void> | null = null;

  private readonly file: FileHandle;

  constructor(file: FileHandle) {
    this.file = file;
  }

  append(record: OracleRecord): Promise<void> {
    this.lines += `${JSON.stringify(record)}\n`;
    return new Promise((resolve) => {
      this.waiters.push({ resolve });
      this.committing ??= this.commit();
    });
  }

  async close(): Promise<void> {
    await this.committing;
    await this.file.close();
  }

  private async commit(): Promise<void> {
    try {
      while (this.waiters.length > 0) {
        // One turn of the event loop: whatever else has already arrived joins this commit.
        await new Promise((resolve) => setImmediate(resolve));
        const { lines, waiters } = this;
        this.lines = '';
        this.waiters = [];
        await this.file.appendFile(lines);
        await this.file.datasync();
        for (const waiter of waiters) waiter.resolve();
      }
    } catch (err) {
      // A witness that cannot write must not go on answering: what it served would be missing from its record.
      log('fatal', `the oracle file cannot be written: ${err instanceof Error ? err.message : String(err)}`);
      process.exit(1);
    } finally {
      this.committing = null;
    }
  }
}
