import { describe, expect, it } from '@jest/globals';
import { ChaosUnavailable, readOptions } from './chaos-options.js';

describe('the command line', () => {
  it('has defaults, and a seed of its own to be told', () => {
    expect(readOptions([], 42)).toEqual({
      minutes: 5,
      isMinutesGiven: false,
      seed: 42,
      scenario: 'mixed',
      only: null,
      jsonFile: null,
      docs: false,
      keep: false,
    });
  });

  it('takes a scenario by name, and anything else as part of the name of a fault', () => {
    expect(readOptions(['--scenario', 'soak'], 1)).toMatchObject({ scenario: 'soak', only: null });
    expect(readOptions(['--scenario', 'kill gateway', '--minutes', '0.5', '--seed', '7', '--json', 'x.json'], 1)).toMatchObject(
      {
        only: 'kill gateway',
        minutes: 0.5,
        seed: 7,
        jsonFile: 'x.json',
      },
    );
  });

  it.each([['--minutes', '0'], ['--minutes', 'ten'], ['--seed', '-1'], ['--unknown']])('refuses %s %s', (...args) => {
    expect(() => readOptions(args, 1)).toThrow(ChaosUnavailable);
  });
});
