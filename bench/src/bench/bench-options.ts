import { parseArgs } from 'node:util';

export const USAGE =
  'npm run bench -- [--quick] [--json FILE] [--only json,latency,streams,prompts,memory,scale] [--no-report]';

/** A mistake on the command line or something missing on the machine: a sentence for a person. Exit code 2. */
export class BenchUnavailable extends Error {}

const SCENARIOS = ['json', 'latency', 'streams', 'prompts', 'memory', 'scale'] as const;
export type Scenario = (typeof SCENARIOS)[number];

/** How long and how often; `--quick` is for a look, the rest for figures that are published. */
export interface Effort {
  rounds: number;
  roundSeconds: number;
  warmUpSeconds: number;
  streamCounts: number[];
  memoryCalls: number;
}

const FULL: Effort = { rounds: 5, roundSeconds: 8, warmUpSeconds: 4, streamCounts: [200, 500], memoryCalls: 200_000 };
const QUICK: Effort = { rounds: 3, roundSeconds: 3, warmUpSeconds: 2, streamCounts: [200], memoryCalls: 20_000 };

export interface BenchOptions {
  isQuick: boolean;
  effort: Effort;
  scenarios: ReadonlySet<Scenario>;
  jsonFile: string | null;
  writesReport: boolean;
  /** Folder for a CPU profile of the gateway; null = none is taken. */
  profileFolder: string | null;
}

export function readBenchOptions(args: string[]): BenchOptions {
  const { quick = false, json, only, 'no-report': noReport = false, profile } = parseFlags(args);
  return {
    isQuick: quick,
    effort: quick ? QUICK : FULL,
    scenarios: new Set(only === undefined ? SCENARIOS : readScenarios(only)),
    jsonFile: json ?? null,
    // Tables of a part would overwrite those of the whole.
    writesReport: !noReport && only === undefined,
    profileFolder: profile ?? null,
  };
}

function parseFlags(args: string[]) {
  const flag = { type: 'boolean' } as const;
  const text = { type: 'string' } as const;
  try {
    return parseArgs({ args, options: { quick: flag, json: text, only: text, 'no-report': flag, profile: text } }).values;
  } catch (error) {
    throw new BenchUnavailable(`${error instanceof Error ? error.message : String(error)} Usage: ${USAGE}`);
  }
}

function readScenarios(text: string): Scenario[] {
  return text.split(',').map((name) => {
    const scenario = SCENARIOS.find((known) => known === name);
    if (scenario === undefined)
      throw new BenchUnavailable(`--only knows ${SCENARIOS.join(', ')}, not ${JSON.stringify(name)}.`);
    return scenario;
  });
}
