import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LoadResult } from './bench.types.js';
import { otherCpus } from './cpus.js';
import { loadResultOf } from './load.rules.js';
import { CALL_TIMEOUT_SECONDS, CHAT_PATH, type Load } from './load.types.js';
import { outputOf } from './output-of.js';
import { percentileOf } from './percentile-of.js';

const PROGRAM = join(import.meta.dirname, 'autocannon-program.js');
const MS_PER_SECOND = 1_000;
const MICROS_PER_MS = 1_000;

/** What the program is told, in a file: headers are secrets of the run and do not belong on a command line. */
export interface AutocannonJob {
  url: string;
  body: string;
  headerSets: Record<string, string>[];
  connections: number;
  seconds: number;
  timeoutSeconds: number;
  /** Calls a second over all connections; null = as fast as it goes. */
  perSecond: number | null;
}

export interface AutocannonOutcome {
  seconds: number;
  latenciesMicros: number[];
  /** Answers of status 400 and above. */
  refused: number;
  /** Its timeouts are among them: it does not wait for a late answer. */
  broken: number;
}

/** The same load as wrk's, and the same result, from a process of its own. */
export async function runAutocannon(load: Load, program = PROGRAM): Promise<LoadResult> {
  const { target, body, connections, seconds, pauseMs, folder } = load;
  const job: AutocannonJob = {
    url: `${target.url}${CHAT_PATH}`,
    body,
    headerSets: target.headerSets,
    connections,
    seconds,
    timeoutSeconds: CALL_TIMEOUT_SECONDS,
    perSecond: pauseMs > 0 ? Math.max(1, Math.round((connections / pauseMs) * MS_PER_SECOND)) : null,
  };
  const file = join(folder, `${new URL(target.url).port}.autocannon.json`);
  writeFileSync(file, JSON.stringify(job));
  const output = await outputOf('taskset', ['-c', otherCpus(), process.execPath, program, file]);
  const line = output.split('\n').find((each) => each.startsWith('{'));
  if (line === undefined) throw new Error(`autocannon gave no result: ${output}`);
  const { latenciesMicros, ...counts } = JSON.parse(line) as AutocannonOutcome;
  return loadResultOf({
    ...counts,
    answers: latenciesMicros.length,
    late: 0,
    p50Ms: percentileOf(latenciesMicros, 0.5) / MICROS_PER_MS,
    p99Ms: percentileOf(latenciesMicros, 0.99) / MICROS_PER_MS,
  });
}
