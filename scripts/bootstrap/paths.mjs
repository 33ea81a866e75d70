import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
/** Everything that a running TensorLoop keeps: databases, journals, logs, secrets. A second instance needs a second folder. */
export const DATA = process.env.TENSORLOOP_DATA_DIR || join(ROOT, '.data');
export const LOGS = join(DATA, 'logs');
/** Written last when everything is up; its presence means "ready". */
export const START_FILE = join(DATA, 'start.json');
export const PID_FILE = join(DATA, 'start.pid');

const BIN = join(ROOT, 'node_modules/.bin');
/** The Node that the lockfile pins, not the machine's. */
export const NODE = join(ROOT, 'node_modules/node/bin/node');

/** The environment of every tool: our own binaries first, no telemetry, no engine download. */
export function toolEnvironment() {
  return {
    ...process.env,
    PATH: `${dirname(NODE)}:${BIN}:${process.env.PATH}`,
    PRISMA_SCHEMA_ENGINE_BINARY: join(ROOT, 'scripts/no-schema-engine.sh'),
    CHECKPOINT_DISABLE: '1',
    TURBO_TELEMETRY_DISABLED: '1',
    TURBO_NO_UPDATE_NOTIFIER: '1',
    NODE_NO_WARNINGS: '1',
  };
}
