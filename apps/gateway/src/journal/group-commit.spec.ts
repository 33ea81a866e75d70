import { mkdtempSync, rmSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { encodeFrame, FRAME_HEADER_BYTES } from './frame.js';
import { GroupCommit } from './group-commit.js';
import { SegmentFiles } from './segment-files.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tensorloop-commit-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A disk that takes half of a write and then fails, as often as told. */
class FailingFiles extends SegmentFiles {
  failures = 0;

  override async create(segment: number): Promise<FileHandle> {
    const handle = await super.create(segment);
    const write = handle.write.bind(handle) as FileHandle['write'];
    handle.write = (async (bytes: Buffer, offset: number, length: number) => {
      if (this.failures === 0) return write(bytes, offset, length);
      this.failures -= 1;
      await write(bytes, offset, length >> 1);
      throw new Error('no space left on device');
    }) as never;
    return handle;
  }
}

function read(files: SegmentFiles): string[] {
  return files.list().flatMap((segment) => files.read(segment).frames.map((frame) => frame.payload));
}

/** A disk that takes nothing until it is told to. */
class HeldFiles extends SegmentFiles {
  private readonly held = Promise.withResolvers<void>();
  asked = 0;

  override async create(segment: number): Promise<FileHandle> {
    const handle = await super.create(segment);
    const write = handle.write.bind(handle) as FileHandle['write'];
    handle.write = (async (bytes: Buffer, offset: number, length: number) => {
      this.asked += 1;
      await this.held.promise;
      return write(bytes, offset, length);
    }) as never;
    return handle;
  }

  letGo(): void {
    this.held.resolve();
  }
}

describe('group commit', () => {
  it('says that a record is durable after the disk has said so, and never before', async () => {
    const files = new HeldFiles(folder);
    const commit = new GroupCommit({ files, firstSegment: 1, onSealed: () => undefined });
    const said: string[] = [];
    commit.append(encodeFrame('acked', 'first'), () => said.push('placed'));
    const durable = commit.durable().then(() => said.push('durable'));
    await waitUntil(() => files.asked === 1, { what: 'the write' });
    // One that comes while the disk is busy waits for a write of its own.
    commit.append(encodeFrame('acked', 'second'));
    const second = commit.durable().then(() => said.push('second'));
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(said).toEqual([]);
    files.letGo();
    await Promise.all([durable, second]);
    expect(said).toEqual(['placed', 'durable', 'second']);
    expect(files.asked).toBe(2);
    await commit.close();
  });

  it('writes what gathered in one turn at once, in order', async () => {
    const files = new SegmentFiles(folder);
    const commit = new GroupCommit({ files, firstSegment: 1, onSealed: () => undefined });
    for (let index = 0; index < 50; index++) commit.append(encodeFrame('acked', String(index)));
    await commit.durable();
    expect(read(files)).toEqual(Array.from({ length: 50 }, (_, index) => String(index)));
    expect(commit.pendingBytes).toBe(0);
    await commit.close();
  });

  it('lets records of the unhurried gather, and takes them along with the first of somebody in a hurry, or by itself', async () => {
    const files = new HeldFiles(folder);
    files.letGo();
    const commit = new GroupCommit({ files, firstSegment: 1, onSealed: () => undefined });
    const append = (text: string) => commit.append(encodeFrame('acked', text));
    append('first');
    const soon = commit.durableSoon();
    append('second');
    await Promise.all([soon, commit.durable()]);
    expect([read(files), files.asked]).toEqual([['first', 'second'], 1]);
    append('alone');
    await commit.durableSoon();
    expect([read(files), files.asked]).toEqual([['first', 'second', 'alone'], 2]);
    append('last');
    const last = commit.durableSoon();
    await commit.close();
    await last;
    expect(read(files).at(-1)).toBe('last');
  });

  it('says truly where each record lies, over the end of a segment', async () => {
    const files = new SegmentFiles(folder);
    const commit = new GroupCommit({ files, firstSegment: 1, segmentBytes: 64, onSealed: () => undefined });
    const places: { payload: string; segment: number; offset: number }[] = [];
    for (let index = 0; index < 20; index++) {
      const payload = `record ${index}`;
      commit.append(encodeFrame('acked', payload), (segment, offset) => places.push({ payload, segment, offset }));
      if (index % 3 === 0) await commit.durable();
    }
    await commit.close();
    expect(places).toHaveLength(20);
    for (const { payload, segment, offset } of places) {
      expect(await files.readAt({ segment, offset: offset + FRAME_HEADER_BYTES, bytes: payload.length })).toBe(payload);
    }
    await files.close();
  });

  it('writes a batch that failed half-way again, whole, and loses nothing', async () => {
    const files = new FailingFiles(folder);
    files.failures = 1;
    const commit = new GroupCommit({ files, firstSegment: 1, onSealed: () => undefined });
    for (let index = 0; index < 10; index++) commit.append(encodeFrame('acked', String(index)));
    await commit.durable();
    expect(commit.failures).toBe(0);
    await commit.close();
    const lastSegment = files.list().at(-1) as number;
    expect(files.read(lastSegment).frames.map((frame) => frame.payload)).toEqual(
      Array.from({ length: 10 }, (_, index) => String(index)),
    );
  });

  it('sends records that nobody waits for to the disk by itself', async () => {
    const files = new SegmentFiles(folder);
    const commit = new GroupCommit({ files, firstSegment: 1, onSealed: () => undefined });
    const placed = new Promise((resolve) => commit.append(encodeFrame('progress', 'x'), resolve));
    commit.flushLater();
    await placed;
    expect(read(files)).toEqual(['x']);
    await commit.close();
  });

  it('makes the next segment before it is needed, and goes on where one could not be made', async () => {
    const files = new SegmentFiles(folder);
    let refusals = 1;
    const create = files.create.bind(files);
    files.create = (segment) =>
      segment === 2 && refusals-- > 0 ? Promise.reject(new Error('no space left')) : create(segment);
    const commit = new GroupCommit({ files, firstSegment: 1, segmentBytes: 120, onSealed: () => undefined });
    const sent = Array.from({ length: 30 }, (_, index) => String(index));
    for (const payload of sent) {
      commit.append(encodeFrame('acked', payload));
      await commit.durable();
    }
    expect(read(files)).toEqual(sent);
    expect(files.list().length).toBeGreaterThan(3);
    await commit.close();
  });

  it('is over when it says so: nothing is written or made behind it', async () => {
    const files = new SegmentFiles(folder);
    const commit = new GroupCommit({ files, firstSegment: 1, segmentBytes: 20, onSealed: () => undefined });
    commit.append(encodeFrame('acked', 'the last words'));
    void commit.durable();
    await commit.close();
    const left = files.list();
    expect(read(files)).toEqual(['the last words']);
    await new Promise((resolve) => setImmediate(resolve));
    expect(files.list()).toEqual(left);
  });
});
