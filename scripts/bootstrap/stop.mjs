import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { PID_FILE } from './paths.mjs';

const STOP_TIMEOUT_MS = 120_000;
const POLL_INTERVAL_MS = 50;

/** The process that `npm start` left running, or null. A pid that now belongs to another program does not count. */
export function runningStart() {
  try {
    const pid = Number(readFileSync(PID_FILE, 'utf8'));
    return isStart(pid) ? pid : null;
  } catch {
    return null;
  }
}

function isStart(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('scripts/start/main.ts');
  } catch {
    return false;
  }
}

/** Ends a running TensorLoop in order and waits until it has ended. */
export async function stop() {
  const pid = runningStart();
  if (pid === null) {
    console.log('TensorLoop is not running.');
    return 0;
  }
  try {
    process.kill(pid, 'SIGTERM');
  } catch (error) {
    // Ended by itself a moment ago; anything else is not ours to stop.
    if (error.code !== 'ESRCH') throw error;
  }
  const deadline = performance.now() + STOP_TIMEOUT_MS;
  // Not the file with its pid: the process deletes that a moment before its own end.
  while (isStart(pid)) {
    if (performance.now() > deadline) {
      console.error(
        `Process ${pid} has not ended within ${STOP_TIMEOUT_MS / 1000} s; "kill -9 ${pid}" forces it, and no accounted call is lost by that.`,
      );
      return 1;
    }
    await delay(POLL_INTERVAL_MS);
  }
  console.log('TensorLoop has stopped.');
  return 0;
}
