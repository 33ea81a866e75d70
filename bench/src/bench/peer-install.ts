import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/** Kept between runs: what is here is not installed again. */
export const PEER_CACHE = join(import.meta.dirname, '../../..', '.cache', 'bench');
export const INSTALL_MS_MAX = 240_000;
const MESSAGE_CHARACTERS_MAX = 300;
/** What a message about the cause looks like among the many lines that installers print. */
const TELLING = /error|no matching|not found|refused|forbidden|denied|cannot|could not/i;

/** Runs one installing command to its end; throws with the command and what it said, for the report's "not run". */
export function runInstall(file: string, args: readonly string[], env: Record<string, string> = {}): void {
  const command = [file.split('/').at(-1), ...args].join(' ');
  const result = spawnSync(file, args, {
    encoding: 'utf8',
    timeout: INSTALL_MS_MAX,
    env: { ...process.env, ...env },
  });
  if (result.error !== undefined) throw new Error(`\`${command}\`: ${result.error.message}`);
  if (result.status !== 0) throw new Error(`\`${command}\`: ${tellingLine(`${result.stdout}\n${result.stderr}`)}`);
}

function tellingLine(output: string): string {
  const lines = output
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const line = lines.findLast((each) => TELLING.test(each)) ?? lines.at(-1) ?? 'no message';
  return line.slice(0, MESSAGE_CHARACTERS_MAX);
}
