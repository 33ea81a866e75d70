import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { ROLE_NAMES, type RoleKey } from '@tensorloop/db/roles';
import { DATA, LOGS, PID_FILE, START_FILE } from '../bootstrap/paths.mjs';
import { runningStart } from '../bootstrap/stop.mjs';
import { StartRefused } from './options.ts';

const STACK_FILE = join(DATA, 'stack.json');
const SECRETS_FILE = join(DATA, 'secrets.json');
const MAX_LOG_BYTES = 32 * 1024 ** 2;

/** Made up at the first start and kept: another pepper would make every key unknown. */
export interface Secrets {
  keyPepper: string;
  /** Written by hand while peppers are rotated (docs/runbooks/pepper-rotation.md). */
  keyPepperVersion?: number;
  keyPepperPrevious?: string;
  passwords: Record<RoleKey, string>;
  demoPassword: string;
  /** The demo account's key: shown again at every start. */
  demoKey?: string;
}

/** What scripts and tests need of a running TensorLoop. */
export interface StartFile {
  gatewayUrl: string;
  controlPlaneUrl: string;
  meteringUrl: string;
  dashboardUrl: string;
  upstreamUrl: string;
  email: string;
  password: string;
  apiKey: string;
  ready: true;
}

/** For replay and audit: connections that no client ever gets. */
export interface StackFile {
  ownerDatabaseUrl: string;
  natsUrl: string;
  redisUrl: string;
  keyPepper: string;
  oracleFile: string | null;
  journalDirs: string[];
  pids: Record<string, number>;
}

/** Takes the data folder for this process, or refuses when another one has it. */
export function claimDataFolder(fresh: boolean): void {
  mkdirSync(LOGS, { recursive: true });
  const running = runningStart();
  if (running !== null) {
    throw new StartRefused(
      `TensorLoop already runs (process ${running}); "npm run stop" ends it, .data/start.json says where it is.`,
    );
  }
  rmSync(START_FILE, { force: true });
  rmSync(STACK_FILE, { force: true });
  writeFileSync(PID_FILE, String(process.pid));
  if (fresh) deleteState();
  for (const name of readdirSync(LOGS)) keepLogSmall(join(LOGS, name));
}

export function ownsDataFolder(): boolean {
  return existsSync(PID_FILE) && readFileSync(PID_FILE, 'utf8') === String(process.pid);
}

export function releaseDataFolder(): void {
  rmSync(START_FILE, { force: true });
  rmSync(STACK_FILE, { force: true });
  rmSync(PID_FILE, { force: true });
}

function deleteState(): void {
  const kept = new Set([basename(LOGS), basename(PID_FILE)]);
  for (const name of readdirSync(DATA)) {
    if (!kept.has(name)) rmSync(join(DATA, name), { recursive: true, force: true });
  }
}

function keepLogSmall(file: string): void {
  if (!file.endsWith('.old') && statSync(file).size > MAX_LOG_BYTES) renameSync(file, `${file}.old`);
}

export function loadSecrets(): Secrets {
  const kept = existsSync(SECRETS_FILE) ? (JSON.parse(readFileSync(SECRETS_FILE, 'utf8')) as Secrets) : null;
  const secret = (bytes: number) => randomBytes(bytes).toString('base64url');
  const passwords = Object.fromEntries(Object.keys(ROLE_NAMES).map((role) => [role, secret(24)])) as Record<RoleKey, string>;
  // A folder of an earlier version lacks the passwords of roles that came later.
  const secrets: Secrets = {
    keyPepper: secret(32),
    demoPassword: secret(12),
    ...kept,
    passwords: { ...passwords, ...kept?.passwords },
  };
  saveSecrets(secrets);
  return secrets;
}

export function saveSecrets(secrets: Secrets): void {
  writeWhole(SECRETS_FILE, secrets);
}

export function writeStackFile(content: StackFile): void {
  writeWhole(STACK_FILE, content);
}

export function writeStartFile(content: StartFile): void {
  writeWhole(START_FILE, content);
}

/** Readers see the old file or the new one, never half of it. */
function writeWhole(file: string, content: object): void {
  writeFileSync(`${file}.new`, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}
