import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { readCpuTicks, stolenShare } from './stolen-time.js';

function fileOf(text: string): string {
  const file = join(mkdtempSync(join(tmpdir(), 'stat-')), 'stat');
  writeFileSync(file, text);
  return file;
}

describe('what the host took', () => {
  it('is read over all cores', () => {
    const text = 'cpu  10 1 20 300 4 0 6 59 7 8\ncpu0 5 0 10 150 2 0 3 30 0 0\n';
    expect(readCpuTicks(fileOf(text))).toEqual({ wanted: 96, stolen: 59 });
    const before = { wanted: 96, stolen: 59 };
    expect(stolenShare(before, { wanted: 296, stolen: 69 })).toBe(0.05);
    expect(stolenShare(before, before)).toBe(0);
  });

  it('is unknown where the system does not say', () => {
    expect(readCpuTicks('/nowhere/stat')).toBeNull();
    expect(readCpuTicks(fileOf('cpu 1 2 3\n'))).toBeNull();
    expect(stolenShare(null, { wanted: 1, stolen: 1 })).toBeNull();
  });
});
