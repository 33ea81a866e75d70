import { parseArgs } from 'node:util';
import { type Effort, PEER_NAMES, type PeerName } from './bench.types.js';

export const USAGE =
  'npm run bench -- [--quick] [--json FILE] [--only json,latency,streams,prompts,memory,scale] [--peers portkey,litellm,bifrost | none] [--streams 200,500] [--memory-calls 200000] [--no-report]';

/** A mistake on the command line or something missing on the machine: a sentence for a person. Exit code 2. */
export class BenchUnavailable extends Error {}

const SCENARIOS = ['json', 'latency', 'streams', 'prompts', 'memory', 'scale'] as const;
export type Scenario = (typeof SCENARIOS)[number];

/**
 * About twenty minutes with all peers, and up to fifteen more on a machine whose host is busy; the quick run takes five to six, and up to two more. TensorLoop's services have more code than
 * its peers, and after 3 seconds of load much of it was still to be compiled: rounds climbed by a third.
 */
const FULL: Effort = {
  rounds: 5,
  roundSeconds: 5,
  warmUpSeconds: 12,
  streamCounts: [200, 500],
  streamRounds: 3,
  scaleOutRounds: 3,
  patienceSeconds: 900,
  memoryCalls: 200_000,
};
const QUICK: Effort = {
  rounds: 3,
  roundSeconds: 2,
  warmUpSeconds: 5,
  streamCounts: [200],
  streamRounds: 1,
  scaleOutRounds: 1,
  patienceSeconds: 120,
  memoryCalls: 20_000,
};

export interface BenchOptions {
  isQuick: boolean;
  effort: Effort;
  scenarios: ReadonlySet<Scenario>;
  peers: ReadonlySet<PeerName>;
  jsonFile: string | null;
  writesReport: boolean;
  /** Folder for a CPU profile of the gateway; null = none is taken. */
  profileFolder: string | null;
}

export function readBenchOptions(args: string[]): BenchOptions {
  const { quick = false, json, only, 'no-report': noReport = false, profile, ...flags } = parseFlags(args);
  const effort = { ...(quick ? QUICK : FULL) };
  if (flags.streams !== undefined) effort.streamCounts = flags.streams.split(',').map((each) => readCount('streams', each));
  if (flags['memory-calls'] !== undefined) effort.memoryCalls = readCount('memory-calls', flags['memory-calls']);
  const isPart = only !== undefined || flags.streams !== undefined || flags['memory-calls'] !== undefined;
  return {
    isQuick: quick,
    effort,
    peers: readPeers(flags.peers),
    scenarios: new Set(only === undefined ? SCENARIOS : readScenarios(only)),
    jsonFile: json ?? null,
    // Tables of a part would overwrite those of the whole.
    writesReport: !noReport && !isPart,
    profileFolder: profile ?? null,
  };
}

function parseFlags(args: string[]) {
  const flag = { type: 'boolean' } as const;
  const text = { type: 'string' } as const;
  try {
    const options = { quick: flag, json: text, only: text, 'no-report': flag, profile: text } as const;
    return parseArgs({ args, options: { ...options, peers: text, streams: text, 'memory-calls': text } }).values;
  } catch (error) {
    throw new BenchUnavailable(`${error instanceof Error ? error.message : String(error)} Usage: ${USAGE}`);
  }
}

function readCount(flag: string, text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1) throw new BenchUnavailable(`--${flag} wants whole numbers from 1, not ${text}.`);
  return count;
}

function readPeers(text: string | undefined): ReadonlySet<PeerName> {
  if (text === undefined) return new Set(PEER_NAMES);
  if (text === 'none') return new Set();
  return new Set(
    text.split(',').map((name) => {
      const peer = PEER_NAMES.find((known) => known === name);
      if (peer === undefined)
        throw new BenchUnavailable(`--peers knows ${PEER_NAMES.join(', ')} and none, not ${JSON.stringify(name)}.`);
      return peer;
    }),
  );
}

function readScenarios(text: string): Scenario[] {
  return text.split(',').map((name) => {
    const scenario = SCENARIOS.find((known) => known === name);
    if (scenario === undefined)
      throw new BenchUnavailable(`--only knows ${SCENARIOS.join(', ')}, not ${JSON.stringify(name)}.`);
    return scenario;
  });
}
