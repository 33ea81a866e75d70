import { describe, expect, it } from '@jest/globals';
import { BenchUnavailable } from '../bench/bench-options.js';
import { readApiBenchOptions } from './api-options.js';

describe('the command line', () => {
  it('without flags means a million calls and writes no file', () => {
    const options = { rows: 1_000_000, calls: 200, connections: 4, jsonFile: null, writesDocs: false, holds: false };
    expect(readApiBenchOptions([])).toEqual(options);
    expect(readApiBenchOptions(['--rows', '100000', '--docs', '--json', 'a.json'])).toMatchObject({
      rows: 100_000,
      writesDocs: true,
      jsonFile: 'a.json',
    });
  });

  it.each([[['--rows', '10']], [['--calls', 'many']], [['--connections', '0']], [['--quick']]])('refuses %j', (args) => {
    expect(() => readApiBenchOptions(args)).toThrow(BenchUnavailable);
  });
});
