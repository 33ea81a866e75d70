import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';

/** Where `npm start` keeps everything; TENSORLOOP_DATA_DIR names another for a second instance. */
const DATA_FOLDER_DEFAULT = '.data';
const CONCURRENCY_DEFAULT = 64;
const CONCURRENCY_MAX = 1_024;
const STREAM_SHARE_DEFAULT = 0.5;

export const USAGE =
  'npm run replay -- --trace FILE [--limit N] [--speedup X] [--concurrency C] [--stream-share 0.5] [--json FILE]';

/** A mistake on the command line, or an installation that does not run: a sentence for a person. Exit code 2. */
export class ReplayUnavailable extends Error {}

export interface Installation {
  gatewayUrl: string;
  controlPlaneUrl: string;
  ownerDatabaseUrl: string;
  natsUrl: string;
  redisUrl: string;
  oracleFile: string;
  /** Processes whose memory is measured, by name. */
  pids: Record<string, number>;
}

export interface ReplayOptions {
  traceFile: string;
  /** Rows sent; null = all. */
  limit: number | null;
  /** Arrival times are divided by it; null = as fast as it goes. */
  speedup: number | null;
  /** Calls in flight at most. */
  concurrency: number;
  /** Share of streamed calls, 0 to 1. */
  streamShare: number;
  jsonFile: string | null;
}

export function readOptions(args: string[]): ReplayOptions {
  const flags = parseFlags(args);
  if (flags.trace === undefined) throw new ReplayUnavailable(`--trace FILE is missing. Usage: ${USAGE}`);
  return {
    traceFile: flags.trace,
    limit: flags.limit === undefined ? null : number('--limit', flags.limit, { min: 1, max: 1_000_000_000, isWhole: true }),
    speedup:
      flags.speedup === undefined ? null : number('--speedup', flags.speedup, { min: 0.001, max: 1_000_000, isWhole: false }),
    concurrency: number('--concurrency', flags.concurrency ?? String(CONCURRENCY_DEFAULT), {
      min: 1,
      max: CONCURRENCY_MAX,
      isWhole: true,
    }),
    streamShare: number('--stream-share', flags['stream-share'] ?? String(STREAM_SHARE_DEFAULT), {
      min: 0,
      max: 1,
      isWhole: false,
    }),
    jsonFile: flags.json ?? null,
  };
}

function parseFlags(args: string[]) {
  const text = { type: 'string' } as const;
  const options = { trace: text, limit: text, speedup: text, concurrency: text, 'stream-share': text, json: text };
  try {
    return parseArgs({ args, options }).values;
  } catch (error) {
    throw new ReplayUnavailable(`${error instanceof Error ? error.message : String(error)} Usage: ${USAGE}`);
  }
}

function number(flag: string, text: string, { min, max, isWhole }: { min: number; max: number; isWhole: boolean }): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max && (!isWhole || Number.isInteger(value))) return value;
  throw new ReplayUnavailable(
    `${flag} takes a ${isWhole ? 'whole ' : ''}number from ${min} to ${max}, not ${JSON.stringify(text)}.`,
  );
}

const stackSchema = z.object({
  ownerDatabaseUrl: z.string(),
  natsUrl: z.string(),
  redisUrl: z.string(),
  oracleFile: z.string().nullable(),
  pids: z.record(z.string(), z.number().int().positive()).default({}),
});
const startSchema = z.object({ gatewayUrl: z.string(), controlPlaneUrl: z.string(), ready: z.literal(true) });

/** What `npm start` wrote about the installation that runs. */
export function readInstallation(env: Record<string, string | undefined>): Installation {
  const folder = env.TENSORLOOP_DATA_DIR || DATA_FOLDER_DEFAULT;
  const start = readFile(join(folder, 'start.json'), startSchema);
  const stack = readFile(join(folder, 'stack.json'), stackSchema);
  if (stack.oracleFile === null) {
    throw new ReplayUnavailable(
      'The installation sends to a real provider. A replay would cost money and could not choose its tokens: unset OPENAI_API_KEY and start again.',
    );
  }
  return { ...start, ...stack, oracleFile: stack.oracleFile };
}

function readFile<T>(path: string, schema: z.ZodType<T>): T {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    throw new ReplayUnavailable(
      `TensorLoop does not run here: there is no ${path}. Run "npm start" in another terminal, or "npm start -- --detach" first.`,
    );
  }
  const result = schema.safeParse(parseJson(text));
  if (!result.success) throw new ReplayUnavailable(`${path} is not what "npm start" writes: ${z.prettifyError(result.error)}`);
  return result.data;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
