import { constants, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { SegmentFiles } from './segment-files.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tensorloop-segments-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function fill(files: SegmentFiles, segments: number[]): Promise<void> {
  for (const segment of segments) await (await files.create(segment)).close();
}

/** Flags of an open file as the kernel has them (proc(5): octal). */
function kernelFlags(descriptor: number): number {
  const [, flags] = /^flags:\s+([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, 'latin1')) ?? [];
  return Number.parseInt(flags ?? '', 8);
}

describe('segment files', () => {
  it('are open so that a write returns only once it is on the disk, whatever the file system', async () => {
    const handle = await new SegmentFiles(folder).create(1);
    expect(kernelFlags(handle.fd) & constants.O_DSYNC).toBe(constants.O_DSYNC);
    expect(kernelFlags(handle.fd) & constants.O_APPEND).toBe(constants.O_APPEND);
    await handle.close();
  });

  it('go in the order in which they were to go', async () => {
    const files = new SegmentFiles(folder);
    await fill(files, [1, 2, 3]);
    files.delete(1);
    files.delete(2);
    await files.close();
    expect(files.list()).toEqual([3]);
  });

  it('wait behind one that cannot be deleted, because they say what of it is done', async () => {
    const files = new SegmentFiles(folder);
    await fill(files, [2, 3]);
    // Not a file, so it cannot be removed as one.
    const stuck = join(folder, '000000000001.log');
    mkdirSync(stuck);
    writeFileSync(join(stuck, 'x'), '');
    for (const segment of [1, 2]) files.delete(segment);
    await files.close();
    expect(files.list()).toEqual([1, 2, 3]);
    rmSync(stuck, { recursive: true });
    files.delete(3);
    await files.close();
    expect(files.list()).toEqual([]);
  });
});
