import { findOnPath } from '@tensorloop/servers/launcher';
import { runAutocannon } from './autocannon.js';
import type { LoadResult } from './bench.types.js';
import { BenchUnavailable } from './bench-options.js';
import type { Load } from './load.types.js';
import { runWrk } from './wrk.js';

const MODEL = '"model":"gpt-4o-mini"';

export type LoadGenerator = 'wrk' | 'autocannon';

/** wrk costs a tenth of what a generator on Node does; that one is for machines without it. */
export function loadGenerator(): LoadGenerator {
  if (findOnPath('taskset') === null) {
    throw new BenchUnavailable('The bench needs taskset; on Debian: apt-get install util-linux.');
  }
  return findOnPath('wrk') === null ? 'autocannon' : 'wrk';
}

/** Loads a target from a process of its own, on the cores that the process under test does not have. */
export function runLoad(load: Load): Promise<LoadResult> {
  const { target, body } = load;
  const named = { ...load, body: target.model === undefined ? body : body.replace(MODEL, `"model":"${target.model}"`) };
  return loadGenerator() === 'wrk' ? runWrk(named) : runAutocannon(named);
}
