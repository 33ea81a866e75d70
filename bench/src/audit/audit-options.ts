import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { AuditUnavailable } from './audit.types.js';

/** Where `npm start` keeps everything; TENSORLOOP_DATA_DIR names another for a second instance. */
const DATA_FOLDER_DEFAULT = '.data';
export const QUIESCENCE_TIMEOUT_MS_DEFAULT = 60_000;

export interface AuditOptions {
  /** A role that may read every account's rows (tl_owner). */
  ownerDatabaseUrl: string;
  natsUrl: string;
  redisUrl: string;
  /** Empty = the journals are not asked. */
  gatewayUrls: string[];
  /** With a session the account's activity is read as its owner reads it; all others through metering's RPC. */
  session: { controlPlaneUrl: string; email: string; password: string } | null;
  /** Null = there is no oracle: a real provider keeps no record for us. */
  oracleFile: string | null;
  /** Fewer calls than this is a difference, so that an empty installation cannot pass for a sound one. */
  requestsMin: number;
  /** How long to wait for calls under way. */
  quiescenceTimeoutMs: number;
  onProgress: (line: string) => void;
}

const stackFileSchema = z.object({
  ownerDatabaseUrl: z.string(),
  natsUrl: z.string(),
  redisUrl: z.string(),
  oracleFile: z.string().nullish(),
  gatewayUrls: z.array(z.string()).optional(),
});

const startFileSchema = z.object({
  gatewayUrl: z.string(),
  controlPlaneUrl: z.string(),
  email: z.string(),
  password: z.string(),
});

export interface CommandLine {
  options: AuditOptions;
  jsonFile: string | null;
}

/** Flags win over the environment, and that over the files that `npm start` wrote. Throws AuditUnavailable. */
export function readCommandLine(args: string[], env: Record<string, string | undefined>): CommandLine {
  const flags = parseFlags(args);
  const requestsMin = wholeNumber('--min-requests', flags['min-requests'] ?? '0');
  const waitSeconds = wholeNumber('--wait-seconds', flags['wait-seconds'] ?? String(QUIESCENCE_TIMEOUT_MS_DEFAULT / 1000));
  const folder = env.TENSORLOOP_DATA_DIR || DATA_FOLDER_DEFAULT;
  const stackFile = flags.stack ?? join(folder, 'stack.json');
  const stack = readOptionalFile(stackFile, stackFileSchema, flags.stack !== undefined);
  const start = readOptionalFile(flags.start ?? join(folder, 'start.json'), startFileSchema, flags.start !== undefined);
  const owner = flags.database ?? env.OWNER_DATABASE_URL ?? stack?.ownerDatabaseUrl;
  const nats = flags.nats ?? env.NATS_URL ?? stack?.natsUrl;
  const redis = flags.redis ?? env.REDIS_URL ?? stack?.redisUrl;
  const missing = [!owner && '--database', !nats && '--nats', !redis && '--redis'].filter(Boolean);
  if (!owner || !nats || !redis) {
    throw new AuditUnavailable(
      `No running installation was found: ${stackFile} does not exist and ${missing.join(', ')} not given. Run "npm start" first, or name the servers.`,
    );
  }
  const gatewayUrls = flags.gateway ?? stack?.gatewayUrls ?? (start ? [start.gatewayUrl] : []);
  return {
    jsonFile: flags.json ?? null,
    options: {
      ownerDatabaseUrl: owner,
      natsUrl: nats,
      redisUrl: redis,
      gatewayUrls,
      session: start ? { controlPlaneUrl: start.controlPlaneUrl, email: start.email, password: start.password } : null,
      oracleFile: flags.oracle ?? env.ORACLE_FILE ?? stack?.oracleFile ?? null,
      requestsMin,
      quiescenceTimeoutMs: waitSeconds * 1000,
      onProgress: (line) => process.stderr.write(`${line}\n`),
    },
  };
}

function parseFlags(args: string[]) {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      args,
      options: {
        json: text,
        stack: text,
        start: text,
        database: text,
        nats: text,
        redis: text,
        gateway: { type: 'string', multiple: true },
        oracle: text,
        'min-requests': text,
        'wait-seconds': text,
      },
    }).values;
  } catch (error) {
    throw new AuditUnavailable(error instanceof Error ? error.message : String(error));
  }
}

function wholeNumber(flag: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new AuditUnavailable(`${flag} takes a whole number, not ${JSON.stringify(text)}.`);
  return Number(text);
}

/** Null when the file is absent and nobody asked for it by name. */
function readOptionalFile<T>(path: string, schema: z.ZodType<T>, isRequired: boolean): T | null {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    if (isRequired) throw new AuditUnavailable(`${path} cannot be read.`);
    return null;
  }
  try {
    return schema.parse(JSON.parse(text));
  } catch (error) {
    throw new AuditUnavailable(
      `${path} is not what "npm start" writes: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}
