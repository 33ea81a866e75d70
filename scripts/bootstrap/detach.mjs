import { spawn } from 'node:child_process';
import { closeSync, fstatSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { LOGS, NODE, ROOT, toolEnvironment } from './paths.mjs';

const READY_TIMEOUT_MS = 180_000;
const POLL_INTERVAL_MS = 50;
const READY_LINE = /^Ready\b/m;

/** Starts everything in the background; returns when it is ready, having shown what the foreground start shows. */
export async function startDetached(args) {
  mkdirSync(LOGS, { recursive: true });
  const logFile = join(LOGS, 'start.log');
  // Appended to: an instance that runs already writes there too.
  const log = openSync(logFile, 'a', 0o600);
  let shown = fstatSync(log).size;
  const child = spawn(NODE, ['scripts/start/main.ts', ...args], {
    cwd: ROOT,
    env: toolEnvironment(),
    stdio: ['ignore', log, log],
    detached: true,
  });
  closeSync(log);
  let output = '';
  let ending = null;
  child.once('exit', (code) => {
    ending = code ?? 1;
  });
  const deadline = performance.now() + READY_TIMEOUT_MS;
  const show = () => {
    const bytes = readFileSync(logFile).subarray(shown);
    process.stdout.write(bytes);
    shown += bytes.length;
    output += bytes.toString();
    return READY_LINE.test(output);
  };
  while (performance.now() < deadline) {
    if (show()) {
      child.unref();
      return 0;
    }
    if (ending !== null) {
      show();
      return ending;
    }
    await delay(POLL_INTERVAL_MS);
  }
  child.kill('SIGTERM');
  console.error(`TensorLoop was not ready within ${READY_TIMEOUT_MS / 1000} s and was told to stop; see ${LOGS}.`);
  return 1;
}
