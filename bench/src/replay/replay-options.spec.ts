import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { ReplayUnavailable, readInstallation, readOptions } from './replay-options.js';

describe('readOptions', () => {
  it('has defaults for all but the trace', () => {
    const expected = { traceFile: 't.csv', limit: null, speedup: null, concurrency: 64, streamShare: 0.5, jsonFile: null };
    expect(readOptions(['--trace', 't.csv'])).toEqual(expected);
  });

  it('reads every flag', () => {
    const args = '--trace t.csv --limit 10 --speedup 36.5 --concurrency 8 --stream-share 0 --json out.json'.split(' ');
    expect(readOptions(args)).toEqual({
      traceFile: 't.csv',
      limit: 10,
      speedup: 36.5,
      concurrency: 8,
      streamShare: 0,
      jsonFile: 'out.json',
    });
  });

  it.each([
    [[], /--trace FILE is missing/],
    [['--trace', 't', '--limit', '0'], /--limit takes a whole number from 1/],
    [['--trace', 't', '--limit', '1.5'], /--limit takes a whole number/],
    [['--trace', 't', '--speedup', 'fast'], /--speedup takes a number .* not "fast"/],
    [['--trace', 't', '--speedup', '0'], /--speedup takes/],
    [['--trace', 't', '--concurrency', '5000'], /--concurrency takes a whole number from 1 to 1024/],
    [['--trace', 't', '--stream-share', '50%'], /--stream-share takes a number from 0 to 1, not "50%"/],
    [['--trace', 't', '--sped', '2'], /--sped.*Usage:/s],
  ])('%j is refused with a sentence', (args, message) => {
    expect(() => readOptions(args)).toThrow(message);
    expect(() => readOptions(args)).toThrow(ReplayUnavailable);
  });
});

describe('readInstallation', () => {
  const folder = mkdtempSync(join(tmpdir(), 'replay-options-'));
  const env = { TENSORLOOP_DATA_DIR: folder };
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const start = { gatewayUrl: 'http://g', controlPlaneUrl: 'http://c', ready: true };
  const stack = { ownerDatabaseUrl: 'o', natsUrl: 'n', redisUrl: 'r', oracleFile: 'f', pids: { gateway: 7 } };
  const write = (startText: string, stackValue: unknown) => {
    writeFileSync(join(folder, 'start.json'), startText);
    writeFileSync(join(folder, 'stack.json'), JSON.stringify(stackValue));
  };

  it('says what to do when nothing runs', () => {
    expect(() => readInstallation({ TENSORLOOP_DATA_DIR: join(folder, 'absent') })).toThrow(/Run "npm start"/);
  });

  it('joins what npm start wrote', () => {
    write(JSON.stringify(start), stack);
    expect(readInstallation(env)).toMatchObject({ gatewayUrl: 'http://g', oracleFile: 'f', pids: { gateway: 7 } });
  });

  it('refuses files that are something else', () => {
    write('{', stack);
    expect(() => readInstallation(env)).toThrow(/is not what "npm start" writes/);
  });

  it('does not replay against a real provider', () => {
    write(JSON.stringify(start), { ...stack, oracleFile: null });
    expect(() => readInstallation(env)).toThrow(/real provider/);
  });
});
