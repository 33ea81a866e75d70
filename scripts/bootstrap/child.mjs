import { spawn } from 'node:child_process';
import { NODE, ROOT, toolEnvironment } from './paths.mjs';

/**
 * Runs a TypeScript script on the repository's Node and returns its exit code. Signals are passed on; Ctrl-C reaches the
 * child twice, from the terminal and from here, so scripts must take the second one as the same request.
 * The open IPC channel tells the child when this process is gone.
 */
export async function runChild(script, args) {
  const child = spawn(NODE, [script, ...args], {
    cwd: ROOT,
    env: toolEnvironment(),
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  return new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
}
