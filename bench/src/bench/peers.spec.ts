import { describe, expect, it } from '@jest/globals';
import { readBenchOptions } from './bench-options.js';
import { runInstall } from './peer-install.js';

describe('peers of the bench', () => {
  it('all are wanted unless told otherwise', () => {
    expect([...readBenchOptions([]).peers]).toEqual(['portkey', 'litellm', 'bifrost']);
    expect([...readBenchOptions(['--peers', 'portkey']).peers]).toEqual(['portkey']);
    expect(readBenchOptions(['--peers', 'none']).peers.size).toBe(0);
    expect(() => readBenchOptions(['--peers', 'portky'])).toThrow('not "portky"');
  });

  it('a peer that cannot be installed is reported with the command and what it said', () => {
    const script = 'echo "Downloading"; echo "ERROR: No matching distribution found" >&2; exit 3';
    expect(() => runInstall('sh', ['-c', script])).toThrow(/^`sh -c .*`: ERROR: No matching distribution found$/);
    expect(() => runInstall('/nowhere/pip', ['install'])).toThrow('`pip install`: spawnSync /nowhere/pip ENOENT');
  });

  it('the full run measures what was promised, and part of it overwrites no report', () => {
    expect(readBenchOptions([]).effort).toMatchObject({ streamCounts: [200, 500], memoryCalls: 200_000 });
    const part = readBenchOptions(['--streams', '20', '--memory-calls', '500']);
    expect(part.effort).toMatchObject({ streamCounts: [20], memoryCalls: 500 });
    expect(part.writesReport).toBe(false);
  });
});
