import { chmodSync, cpSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { makeTestFolder, removeTestFolder } from '@tensorloop/testing/test-folder';
import { z } from 'zod';
import { SnapshotCache } from '../models/snapshot-cache.js';
import { JournalHome } from './journal-home.service.js';
import { SegmentFiles } from './segment-files.js';

const OTHERS = 0o077;

let folder: string;
beforeEach(() => {
  folder = makeTestFolder('journal-home');
});
afterEach(() => removeTestFolder(folder));

function listModes(path: string): [string, number][] {
  const inside = statSync(path).isDirectory() ? readdirSync(path).flatMap((name) => listModes(join(path, name))) : [];
  return [[path, statSync(path).mode & OTHERS], ...inside];
}

describe('the folder of a gateway', () => {
  it('is open to no other user of the machine, nor is what lies in it', async () => {
    const journal = join(folder, 'journal');
    mkdirSync(journal);
    chmodSync(journal, 0o755);
    const home = JournalHome.open(journal, undefined);
    const segment = await new SegmentFiles(home.segmentsFolder).create(1);
    await segment.close();
    const cache = new SnapshotCache(home.snapshotsFolder, () => undefined);
    cache.write('models', { v: 1 });
    expect(cache.read('models', z.object({ v: z.number() }))).toEqual({ v: 1 });
    home.close();
    const [top, ...rest] = listModes(journal);
    expect(top).toEqual([journal, 0]);
    const folders = rest.filter(([path]) => statSync(path).isDirectory());
    expect(folders.map(([, mode]) => mode)).toEqual([0, 0]);
    const files = rest.filter(([path]) => !statSync(path).isDirectory() && !path.endsWith('owner.lock'));
    expect(files).toHaveLength(4);
    expect(files.every(([, mode]) => mode === 0)).toBe(true);
  });

  it('has an identity that a restart keeps and another folder has not', () => {
    const open = (name: string) => {
      const home = JournalHome.open(join(folder, name), 'same-id');
      home.close();
      return home.journalId;
    };
    const first = open('one');
    expect(open('one')).toBe(first);
    expect(open('two')).not.toBe(first);
    cpSync(join(folder, 'one'), join(folder, 'copy'), { recursive: true });
    expect(open('copy')).toBe(first);
  });
});
