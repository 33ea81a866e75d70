import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
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
  const watch = watchNpm(() => child.kill('SIGTERM'));
  const code = await new Promise((resolve) => child.once('exit', resolve));
  clearInterval(watch);
  return code ?? 1;
}

const NPM_WATCH_INTERVAL_MS = 200;
const MAX_ANCESTORS = 5;

/** npm that is told to end goes at once and tells only its shell, which tells nobody. So its going is what we look for. */
function watchNpm(onGone) {
  const npm = findNpm();
  if (npm === null) return undefined;
  const watch = setInterval(() => {
    if (existsSync(`/proc/${npm}`)) return;
    clearInterval(watch);
    onGone();
  }, NPM_WATCH_INTERVAL_MS);
  return watch;
}

function findNpm() {
  let pid = process.ppid;
  for (let depth = 0; depth < MAX_ANCESTORS && pid > 1; depth++) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      if (stat.includes('(npm ')) return pid;
      pid = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
    } catch {
      return null;
    }
  }
  return null;
}
