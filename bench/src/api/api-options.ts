import { parseArgs } from 'node:util';
import { BenchUnavailable } from '../bench/bench-options.js';

export const USAGE = 'npm run bench:api -- [--rows 1000000] [--calls 200] [--connections 4] [--json FILE] [--docs] [--hold]';

const ROWS_DEFAULT = 1_000_000;
/** Below it days and keys would be without a call, and pages of rare calls short. */
const ROWS_MIN = 100_000;
const CALLS_DEFAULT = 200;
/** Fewer have no 95th percentile worth the name. */
const CALLS_MIN = 20;
const CONNECTIONS_DEFAULT = 4;

export interface ApiBenchOptions {
  /** Calls that the account has made. */
  rows: number;
  /** Measured requests of each endpoint. */
  calls: number;
  connections: number;
  jsonFile: string | null;
  /** Whether the section of docs/performance.md is written anew. */
  writesDocs: boolean;
  /** Everything stays up afterwards until it is interrupted. */
  holds: boolean;
}

export function readApiBenchOptions(args: string[]): ApiBenchOptions {
  const flags = parseFlags(args);
  return {
    rows: readCount('rows', flags.rows, { min: ROWS_MIN, byDefault: ROWS_DEFAULT }),
    calls: readCount('calls', flags.calls, { min: CALLS_MIN, byDefault: CALLS_DEFAULT }),
    connections: readCount('connections', flags.connections, { min: 1, byDefault: CONNECTIONS_DEFAULT }),
    jsonFile: flags.json ?? null,
    writesDocs: flags.docs ?? false,
    holds: flags.hold ?? false,
  };
}

function parseFlags(args: string[]) {
  const flag = { type: 'boolean' } as const;
  const text = { type: 'string' } as const;
  try {
    const options = { rows: text, calls: text, connections: text, json: text, docs: flag, hold: flag };
    return parseArgs({ args, options }).values;
  } catch (error) {
    throw new BenchUnavailable(`${error instanceof Error ? error.message : String(error)} Usage: ${USAGE}`);
  }
}

function readCount(flag: string, text: string | undefined, { min, byDefault }: { min: number; byDefault: number }): number {
  if (text === undefined) return byDefault;
  const count = Number(text);
  if (!Number.isInteger(count) || count < min) {
    throw new BenchUnavailable(`--${flag} wants a whole number from ${min}, not ${text}. Usage: ${USAGE}`);
  }
  return count;
}
